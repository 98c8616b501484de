"""Java archives: their own identity, and of those within them."""

from __future__ import annotations

import hashlib
import io
import time
import tracemalloc
import zipfile
from struct import pack

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from grid.ecosystems import _zip
from grid.ecosystems._java import main_section, name_and_version
from grid.ecosystems.maven import ECOSYSTEM
from grid.model import Distro, Limits, Note, Package
from grid.testing import accept_ecosystem


def jar(files: dict[str, bytes | str], *, stored: bool = False) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED if stored else zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name), content, archive.compression)
    return out.getvalue()


def pom(group: str, artifact: str, version: str) -> dict[str, bytes | str]:
    text = f"#Created by Apache Maven\n#Mon Jan 01\nversion={version}\ngroupId={group}\nartifactId={artifact}\n"
    return {f"META-INF/maven/{group}/{artifact}/pom.properties": text}


def manifest(**headers: str) -> dict[str, bytes | str]:
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    section = "Name: x/A.class\r\nImplementation-Version: 9\r\n\r\n"
    return {"META-INF/MANIFEST.MF": f"Manifest-Version: 1.0\r\n{lines}\r\n{section}"}


def read(content: bytes, path: str) -> list[Package | Note]:
    """What is found and has a version; an archive that only its hash could name has none."""
    facts = list(ECOSYSTEM.read(path, content, Limits()))
    return [fact for fact in facts if isinstance(fact, Note) or fact.version]


def hashes(content: bytes, path: str) -> dict[str, str]:
    return {f"{p.name}@{p.version}": p.sha1 for p in ECOSYSTEM.read(path, content, Limits()) if isinstance(p, Package)}


def test_an_archive_without_properties_of_its_own_has_its_hash() -> None:
    own, other = jar(pom("g", "own", "1.0")), jar({"x": b"1"})
    sha1 = hashlib.sha1(other, usedforsecurity=False).hexdigest()
    assert hashes(own, "own-1.0.jar") == {"g:own@1.0": ""}
    assert hashes(other, "thing-1.0.jar") == {"thing@1.0": sha1}
    assert hashes(other, "thing.jar") == {"thing@": sha1}
    outer = jar({"lib/thing.jar": other, "lib/own-1.0.jar": own})
    assert hashes(outer, "app.war")["thing@"] == sha1


def found(content: bytes, path: str) -> list[tuple[str, str]]:
    facts = read(content, path)
    assert not [fact for fact in facts if isinstance(fact, Note)], facts
    return [(p.name, p.version) for p in facts if isinstance(p, Package)]


LOG4J = pom("org.apache.logging.log4j", "log4j-core", "2.14.1")


@pytest.mark.parametrize("suffix", ["jar", "war", "ear", "par", "sar", "nar", "jpi", "hpi", "kar", "lpkg"])
def test_every_kind_of_archive_is_asked_for_and_read(suffix: str) -> None:
    path = f"opt/app/log4j-core-2.14.1.{suffix}"
    assert ECOSYSTEM.wants.matcher()(path, 0o644)
    (package,) = read(jar(LOG4J), path)
    purl = "pkg:maven/org.apache.logging.log4j/log4j-core@2.14.1"
    assert package == Package("org.apache.logging.log4j:log4j-core", "2.14.1", purl=purl)


def test_what_was_copied_into_an_archive_is_found_beside_it() -> None:
    content = jar({**pom("com.x", "app", "1.0"), **LOG4J, **pom("com.google.guava", "guava", "31.1-jre")})
    expected = [
        ("com.x:app", "1.0"),
        ("org.apache.logging.log4j:log4j-core", "2.14.1"),
        ("com.google.guava:guava", "31.1-jre"),
    ]
    assert found(content, "app-1.0.jar") == expected
    assert found(content, "app.jar") == expected


def test_an_archive_without_its_own_properties_is_not_taken_for_what_it_holds() -> None:
    content = jar({**LOG4J, **manifest(Implementation_Version="7.0", Implementation_Vendor_Id="com.acme")})
    assert found(content, "agent-7.0.jar") == [
        ("com.acme:agent", "7.0"),
        ("org.apache.logging.log4j:log4j-core", "2.14.1"),
    ]


def test_a_well_known_archive_whose_manifest_agrees_with_its_name_needs_no_index() -> None:
    content = jar(manifest(Implementation_Version="30.1"))
    assert hashes(content, "guava-30.1.jar") == {"com.google.guava:guava@30.1": ""}
    assert hashes(content, "guava-30.2.jar") != {"com.google.guava:guava@30.2": ""}
    assert hashes(content, "unknown-30.1.jar") != {"unknown@30.1": ""}


def test_an_archive_that_says_it_is_something_else_than_what_was_copied_into_it_is_both() -> None:
    guice = manifest(Bundle_SymbolicName="com.google.inject", Bundle_Version="4.2.3")
    content = jar({**pom("cglib", "cglib", "3.2.12"), **guice})
    assert found(content, "guice.jar") == [("com.google.inject:guice", "4.2.3"), ("cglib:cglib", "3.2.12")]
    assert found(content, "app.jar") == [("cglib:cglib", "3.2.12")]
    same = jar({**pom("com.google.inject", "guice-all", "4.2.3.1"), **guice})
    assert found(same, "guice.jar") == [("com.google.inject:guice-all", "4.2.3.1")]
    of_another_group = jar({**pom("org.acme", "shop", "4.2.3"), **guice})
    assert found(of_another_group, "guice.jar") == [("org.acme:shop", "4.2.3")]


@pytest.mark.parametrize(
    "name",
    [
        "org.apache.thrift:libthrift", "org.codehaus.jackson:jackson-mapper-asl", "com.google.crypto.tink:tink",
        "org.rocksdb:rocksdbjni", "org.jodd:jodd-core", "net.sf.saxon:Saxon-HE", "io.mola.galimatias:galimatias",
    ],
)  # fmt: skip
def test_groups_that_no_jar_of_a_known_artifact_tells_are_known(name: str) -> None:
    headers = manifest(Export_Package="org.example", Bundle_SymbolicName=name.partition(":")[2])
    assert found(jar({**headers, "a.class": b""}), f"lib/{name.partition(':')[2]}-1.2.3.jar") == [(name, "1.2.3")]


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("root/.m2/repository/org/jetbrains/annotations/17.0.0/annotations-17.0.0.jar", "org.jetbrains:annotations"),
        ("home/a/.m2/repository/bsh/bsh/17.0.0/bsh-17.0.0-tests.jar", "bsh:bsh"),
        ("c/v1/https/repo1.maven.org/maven2/org/a/b/17.0.0/b-17.0.0.jar", "org.a:b"),
        ("g/caches/modules-2/files-2.1/org.a/b/17.0.0/2d0c/b-17.0.0.jar", "org.a:b"),
        ("srv/repository/org/a/b/17.0.0/b-17.0.0.jar", "b"),
        ("root/.m2/repository/org/a/b/17.0.1/b-17.0.0.jar", "b"),
        ("root/.m2/repository/b/17.0.0/b-17.0.0.jar", "b"),
        ("files-2.1/17.0.0/b-17.0.0.jar", "b"),
    ],
)
def test_a_place_in_a_repository_tells_the_group_of_a_jar_that_does_not(path: str, told: str) -> None:
    nothing = jar({"a.class": b""})
    assert found(nothing, path) == [(told, "17.0.0")]
    assert found(jar({**LOG4J, "a.class": b""}), path)[-1] == ("org.apache.logging.log4j:log4j-core", "2.14.1")
    assert found(jar({"lib/x-1.0.jar": nothing}, stored=True), path)[-1] == ("x", "1.0")


def test_a_renamed_archive_keeps_its_identity() -> None:
    assert found(jar(LOG4J), "app.jar") == [("org.apache.logging.log4j:log4j-core", "2.14.1")]
    assert found(jar(LOG4J), "log4j2-core-2.14.1.jar") == [("org.apache.logging.log4j:log4j-core", "2.14.1")]
    assert found(jar(LOG4J), "log4j-core-2.14.1-redhat-1.jar") == [("org.apache.logging.log4j:log4j-core", "2.14.1")]


@pytest.mark.parametrize("stored", [True, False])
def test_archives_within_archives_are_found_once(stored: bool) -> None:
    boot = jar({**pom("com.x", "web", "2.0"), "BOOT-INF/lib/log4j-core-2.14.1.jar": jar(LOG4J)}, stored=stored)
    inner = {"lib/log4j-core-2.14.1.jar": jar(LOG4J), "x/spring-core-5.3.1.jar": jar({"a": "b"})}
    content = jar({"web.war": boot, **inner}, stored=stored)
    assert sorted(found(content, "app.ear")) == [
        ("com.x:web", "2.0"),
        ("org.apache.logging.log4j:log4j-core", "2.14.1"),
        ("org.springframework:spring-core", "5.3.1"),
    ]


def test_versions_that_maven_holds_equal_are_one_package() -> None:
    content = jar({"a/x-1.0.jar": jar(pom("g", "x", "1.0")), "b/x-1.0.0.jar": jar(pom("g", "x", "1.0.0"))})
    assert found(content, "all.war") == [("g:x", "1.0")]


def test_a_self_starting_jar_has_a_script_before_it() -> None:
    content = b"#!/bin/bash\nexec java -jar $0\n" + jar(
        {**LOG4J, "lib/x-1.0.jar": jar(pom("g", "x", "1.0"))}, stored=True
    )
    assert found(content, "app.jar") == [("org.apache.logging.log4j:log4j-core", "2.14.1"), ("g:x", "1.0")]


@pytest.mark.parametrize(
    ("name", "headers", "expected"),
    [
        ("spring-web-5.3.1.jar", {}, [("org.springframework:spring-web", "5.3.1")]),
        ("spring-boot-starter-web-2.5.0.jar", {}, [("org.springframework.boot:spring-boot-starter-web", "2.5.0")]),
        ("tomcat-embed-core-9.0.45.jar", {}, [("org.apache.tomcat.embed:tomcat-embed-core", "9.0.45")]),
        ("ant-junit4-1.10.18.jar", {}, [("org.apache.ant:ant-junit4", "1.10.18")]),
        (
            "kotlin-compiler.jar",
            {"Implementation_Version": "1.3.31"},
            [("org.jetbrains.kotlin:kotlin-compiler", "1.3.31")],
        ),
        ("thing-1.2.3.jar", {"Implementation_Vendor_Id": "com.acme"}, [("com.acme:thing", "1.2.3")]),
        ("thing-1.2.3.jar", {"Bundle_SymbolicName": "com.acme.thing;singleton:=true"}, [("com.acme:thing", "1.2.3")]),
        ("foo-core-2.0.jar", {"Bundle_SymbolicName": "com.acme.foo.core"}, [("com.acme.foo:foo-core", "2.0")]),
        ("com.acme.thing-1.0.jar", {}, [("com.acme:thing", "1.0")]),
        (
            "org.apache.felix.framework-7.0.5.jar",
            {"Bundle_SymbolicName": "org.apache.felix.framework"},
            [("org.apache.felix:org.apache.felix.framework", "7.0.5")],
        ),
        ("thing.jar", {"Implementation_Version": "3.1"}, [("thing", "3.1")]),
        ("thing.jar", {"Bundle_Version": "3.1.0"}, [("thing", "3.1.0")]),
        ("app.jar", {"Implementation_Title": "shop", "Implementation_Version": "4.0"}, [("shop", "4.0")]),
        ("thing-2.4.21-indy.jar", {"Implementation_Version": "2.4.21"}, [("thing", "2.4.21")]),
        ("thing-1.0.jar", {}, [("thing", "1.0")]),
        ("thing-1.x.jar", {}, []),
        ("spring3-web-3.x.jar", {"Implementation_Version": "4.3.30"}, [("spring3-web", "4.3.30")]),
        ("thing-1.0.xerces.jar", {}, [("thing", "1.0.xerces")]),
        ("thing.jar", {}, []),
        ("thing.jar", {"Implementation_Version": "${project.version}"}, []),
        ("thing.jar", {"Implementation_Version": "build of Monday 3"}, []),
        (
            "git.jpi",
            {"Group_Id": "org.jenkins-ci.plugins", "Short_Name": "git", "Plugin_Version": "4.11.3 (private-x)"},
            [("org.jenkins-ci.plugins:git", "4.11.3")],
        ),
    ],
)
def test_without_properties_manifest_and_file_name_tell(
    name: str, headers: dict[str, str], expected: list[tuple[str, str]]
) -> None:
    assert found(jar({**manifest(**headers), "A.class": b"\xca\xfe"}), f"lib/{name}") == expected


@pytest.mark.parametrize(
    ("stem", "expected"),
    [
        ("log4j-1.2-api-2.17.1", ("log4j-1.2-api", "2.17.1")),
        ("log4j-1.2-api", None),
        ("guava-31.1-jre", ("guava", "31.1-jre")),
        ("kafka_2.13-3.4.0", ("kafka_2.13", "3.4.0")),
        ("x-4.1.94.Final-linux-x86_64", ("x", "4.1.94.Final")),
        ("foo-1.0-SNAPSHOT", ("foo", "1.0-SNAPSHOT")),
        ("automaton-1.12-4+dfsg", ("automaton", "1.12-4+dfsg")),
        ("foo-2.0~beta+ds1", ("foo", "2.0~beta+ds1")),
        ("foo-1.0-20230101.120000-1", ("foo", "1.0-20230101.120000-1")),
        ("foo-1.0-jar-with-dependencies", ("foo", "1.0")),
        ("protobuf-java-4.0.0-rc-2", ("protobuf-java", "4.0.0-rc-2")),
        ("bcprov-jdk15on-1.70", ("bcprov-jdk15on", "1.70")),
        ("org.eclipse.core.runtime_3.26.0.v2022", ("org.eclipse.core.runtime", "3.26.0.v2022")),
        ("py4j0.10.9.9", ("py4j", "0.10.9.9")),
        ("struts2.5", None),
        ("commons", None),
        ("1.0", None),
        ("a-" * 5000, None),
    ],
)
def test_file_names(stem: str, expected: tuple[str, str] | None) -> None:
    assert name_and_version(stem) == expected


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_the_main_section_of_a_manifest(end: bytes) -> None:
    lines = [b"Manifest-Version: 1.0", b"Bundle-Name: a very long", b"  name", b"", b"Name: x", b"Other: y", b""]
    assert main_section(end.join(lines)) == {"manifest-version": "1.0", "bundle-name": "a very long name"}


def test_a_version_that_all_sections_of_a_manifest_state_is_the_archives() -> None:
    head, part = "Manifest-Version: 1.0\n\n", "Name: %s\nImplementation-Version: %s\n\n"
    one = head + part % ("jdk/nashorn/", "1.8.0_504") + part % ("jdk/x/", "1.8.0_504")
    assert found(jar({"META-INF/MANIFEST.MF": one}), "ext/nashorn.jar") == [("nashorn", "1.8.0_504")]
    assert found(jar({"META-INF/MANIFEST.MF": one + part % ("org/xml/", "2.0")}), "ext/nashorn.jar") == []
    main = "Implementation-Version: 3.0\n" + one
    assert found(jar({"META-INF/MANIFEST.MF": main}), "ext/nashorn.jar") == [("nashorn", "3.0")]


def test_the_version_of_a_derby_bundle_is_decoded() -> None:
    content = jar(manifest(Bundle_Version="10.14.2000000.???", Bundle_SymbolicName="derby"))
    assert found(content, "derby.jar") == [("org.apache.derby:derby", "10.14.2.0")]
    content = jar(manifest(Bundle_Version="10.8.3000001.1476465", Bundle_SymbolicName="derby"))
    assert found(content, "derbyclient.jar") == [("org.apache.derby:derbyclient", "10.8.3.1")]


def test_properties_elsewhere_count_if_they_state_all_three() -> None:
    whole = "groupId=g\nartifactId=art\nversion=1.0\n"
    assert found(jar({"pom.properties": whole}), "app.jar") == [("g:art", "1.0")]
    assert found(jar({"META-INF/jars/pom.properties": whole}), "app.jar") == [("g:art", "1.0")]
    assert found(jar({"META-INF/jars/pom.properties": "artifactId=art\nversion=1.0\n"}), "app.jar") == []


def test_an_unpacked_archive_is_known_by_the_properties_in_the_image() -> None:
    place, text = next(iter(LOG4J.items()))
    properties = str(text).encode()
    for path in (place, f"srv/webapps/ROOT/WEB-INF/classes/{place}"):
        assert ECOSYSTEM.wants.matcher()(path, 0o644)
        assert found(properties, path) == [("org.apache.logging.log4j:log4j-core", "2.14.1")]
    assert found(properties, "srv/target/maven-archiver/pom.properties") == []
    assert found(b"version=${version}\n", place) == []
    (note,) = read(properties + b"#" * (1 << 20), place)
    assert isinstance(note, Note) and (note.code, note.path) == ("FileTooLarge", place)


def test_properties_that_are_templates_or_damaged_are_no_package() -> None:
    template = pom("g", "x", "${version}")
    assert found(jar({**template, **pom("g", "y", "1.0")}), "y-1.0.jar") == [("g:y", "1.0")]
    partial: dict[str, bytes | str] = {"META-INF/maven/org.g/art/pom.properties": "version = 2.0\n"}
    assert found(jar(partial), "art-2.0.jar") == [("org.g:art", "2.0")]


def test_files_that_only_share_a_suffix_are_nothing() -> None:
    assert read(b"plain text", "etc/x.par") == []
    assert read(b"", "x.jar") == []
    (note,) = read(b"version https://git-lfs.github.com/spec/v1\n", "x.jar")
    assert isinstance(note, Note)
    assert note.code == "Unparsable"


def test_an_archive_cut_short_is_noted() -> None:
    content = jar(LOG4J)
    for cut in (1, 30, len(content) // 2):
        assert [f.code for f in read(content[:-cut], "log4j-core-2.14.1.jar") if isinstance(f, Note)] == ["Unparsable"]


def test_an_encrypted_nested_archive_is_noted() -> None:
    content = bytearray(jar({"lib/x-1.0.jar": jar(LOG4J)}))
    content[content.index(b"PK\x01\x02") + 8] |= 1
    (note,) = read(bytes(content), "app.war")
    assert isinstance(note, Note)
    assert (note.code, note.path) == ("Encrypted", "app.war")
    assert "lib/x-1.0.jar" in note.message


def test_archives_nested_a_thousand_deep_end_in_a_note() -> None:
    content = jar(LOG4J, stored=True)
    for _ in range(1000):
        content = jar({"x.jar": content}, stored=True)
    began = time.process_time()
    facts = read(content, "deep.jar")
    assert time.process_time() - began < 1
    assert [f.code for f in facts if isinstance(f, Note)] == ["NestedTooDeep"]


def test_an_archive_that_holds_itself_ends() -> None:
    inner = jar({"a-1.0.jar": jar({f"{n}.jar": jar(LOG4J, stored=True) for n in range(40)}, stored=True)}, stored=True)
    content = jar({f"{n}.jar": inner for n in range(200)}, stored=True)
    began = time.process_time()
    facts = read(content, "many.jar")
    assert time.process_time() - began < 3
    assert [f.code for f in facts if isinstance(f, Note)][:1] == ["FileTooLarge"]
    assert len(facts) < 30


def test_bombs_are_neither_inflated_nor_do_they_hide_the_rest() -> None:
    bomb = jar({"lib/bomb.jar": b"\0" * (200 << 20), "lib/x-1.0.jar": jar(pom("g", "x", "1.0")), **LOG4J})
    tracemalloc.start()
    began = time.process_time()
    facts = read(bomb, "log4j-core-2.14.1.jar")
    took, (_, peak) = time.process_time() - began, tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert took < 2
    assert peak < 200 << 20
    assert [f.code for f in facts if isinstance(f, Note)] == ["FileTooLarge"]
    assert [f.name for f in facts if isinstance(f, Package)] == ["org.apache.logging.log4j:log4j-core", "g:x"]


def test_a_large_pom_properties_is_noted() -> None:
    name = next(iter(LOG4J))
    (note,) = [f for f in read(jar({name: b"#" * (1 << 20)}), "thing.jar") if isinstance(f, Note)]
    assert note.code == "Unparsable"


def test_no_number_of_small_bombs_takes_long() -> None:
    line = b"version=1\n"
    content = jar({f"META-INF/maven/g{n}/a/pom.properties": line * 1600 for n in range(6000)})
    began = time.process_time()
    facts = read(content, "poms.jar")
    assert time.process_time() - began < 3
    assert any(isinstance(f, Note) for f in facts)
    inner = jar({"META-INF/MANIFEST.MF": b"A: b\n" * 200_000})
    content = jar({f"{n}.jar": inner for n in range(2000)}, stored=True)
    began = time.process_time()
    read(content, "manifests.jar")
    assert time.process_time() - began < 3


def test_more_entries_than_any_jar_has_end_in_a_note() -> None:
    entry = b"PK\x01\x02" + b"\0" * 42
    listing = entry * 450_000
    end = b"PK\x06\x06" + pack("<QHHIIQQQQ", 44, 45, 45, 0, 0, 450_000, 450_000, len(listing), 0)
    end += b"PK\x06\x07" + pack("<IQI", 0, len(listing), 1)
    end += b"PK\x05\x06" + pack("<HHHHIIH", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    began = time.process_time()
    (note,) = read(listing + end, "huge.jar")
    assert time.process_time() - began < 2
    assert isinstance(note, Note)
    assert "400000 entries" in note.message


def test_zip64_archives_are_read() -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for n in range(66_000):
            archive.writestr(zipfile.ZipInfo(f"{n}.class"), b"")
        for name, content in LOG4J.items():
            archive.writestr(name, content)
    assert found(out.getvalue(), "app.jar") == [("org.apache.logging.log4j:log4j-core", "2.14.1")]


@settings(max_examples=150)
@given(
    st.integers(1, 120),
    st.lists(st.tuples(st.integers(0), st.integers(0, 255)), max_size=2),
    st.integers(-60, 60),
    st.integers(1, 300),
)
@example(1, [], -52, 1)
def test_a_directory_is_read_as_entry_by_entry_however_large_or_damaged_it_is(
    count: int, damage: list[tuple[int, int]], cut: int, at_most: int
) -> None:
    names = [f"org/example/{'deep/' * (n % 7)}Class{n}.class" for n in range(count)]
    names[:: count // 3 + 1] = [f"lib/{n}.jar" for n in range(len(names[:: count // 3 + 1]))]
    listing = bytearray()
    for n, name in enumerate(names):
        extra = b"PK\x01\x02" * (n % 50 == 49) + b"x" * (n % 3)
        lengths = pack("<HHH", len(name), len(extra), n % 2)
        listing += b"PK\x01\x02" + b"\0" * 24 + lengths + b"\0" * 12 + name.encode() + extra + b"c" * (n % 2)
    for place, value in damage:
        listing[4 + place % (len(listing) - 4)] = value
    if cut:
        listing = listing[:cut] if cut < 0 and len(listing) - 4 >= -cut else listing + b"\0" * abs(cut)
    end = pack("<4sHHHHIIH", b"PK\x05\x06", 0, 0, count, count, len(listing), 0, 0)

    def told(many: int) -> tuple[list[_zip.Member], int, str]:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(_zip, "_MANY", many)
            return _zip.members(memoryview(bytes(listing) + end), (b".jar", b"X.MF"), at_most)

    assert told(46) == told(1 << 40)
    if not damage and not cut and at_most >= count:
        assert [member.name for member in told(46)[0]] == [name for name in names if name.endswith(".jar")]


@settings(max_examples=150)
@given(st.data())
def test_no_content_raises(data: st.DataObject) -> None:
    nested = jar({**LOG4J, "lib/x-1.0.jar": jar({**pom("g", "x", "1.0"), **manifest(Bundle_Version="1")})})
    content = bytearray(data.draw(st.sampled_from([nested, jar({"a.jar": nested}, stored=True)])))
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(content)))
        content[at : at + data.draw(st.integers(0, 8))] = data.draw(st.binary(max_size=8))
    for fact in read(bytes(content), "app-1.0.war"):
        assert isinstance(fact, Note) or (fact.name and fact.version)


def test_it_passes_the_exam_of_ecosystems() -> None:
    accept_ecosystem(
        ECOSYSTEM,
        {
            "opt/log4j-core-2.14.1.jar": jar(LOG4J),
            "opt/app.war": jar({"WEB-INF/lib/x-1.0.jar": jar({**pom("g", "x", "1.0"), **LOG4J})}),
            "opt/thing-1.0.jar": jar(manifest(Implementation_Version="1.0")),
            "opt/app/META-INF/maven/g/x/pom.properties": b"groupId=g\nartifactId=x\nversion=1.0\n",
        },
        orders=["1.0-alpha < 1.0", "1.0 = 1.0.0", "2.9 < 2.10"],
        namespaces={Distro("debian", "12"): "Maven"},
    )
