"""The groups of artifacts that are widely used and built without Maven, so that their jars do not state one.

Facts of Maven Central. An entry that ends in ``*`` stands for all artifacts that begin so; the longest one counts.
"""

from __future__ import annotations

_GROUPS = {
    "org.springframework": (
        "spring-aop spring-aspects spring-beans spring-context spring-context-indexer spring-context-support "
        "spring-core spring-expression spring-instrument spring-jcl spring-jdbc spring-jms spring-messaging spring-orm "
        "spring-oxm "
        "spring-r2dbc spring-test spring-tx spring-web spring-webflux spring-webmvc spring-webmvc-portlet "
        "spring-websocket spring-core-test"
    ),
    "org.springframework.boot": "spring-boot spring-boot-*",
    "org.springframework.security": "spring-security-*",
    "org.springframework.data": "spring-data-*",
    "org.springframework.cloud": "spring-cloud-*",
    "org.springframework.integration": "spring-integration-*",
    "org.springframework.kafka": "spring-kafka spring-kafka-test",
    "org.springframework.amqp": "spring-amqp spring-rabbit spring-rabbit-*",
    "org.springframework.batch": "spring-batch-*",
    "org.springframework.session": "spring-session-*",
    "org.springframework.hateoas": "spring-hateoas",
    "org.springframework.ldap": "spring-ldap-*",
    "org.springframework.retry": "spring-retry",
    "org.springframework.plugin": "spring-plugin-*",
    "org.springframework.ws": "spring-ws-* spring-xml",
    "org.springframework.graphql": "spring-graphql spring-graphql-*",
    "org.apache.tomcat.embed": "tomcat-embed-*",
    "org.apache.tomcat": (
        "tomcat-annotations-api tomcat-api tomcat-catalina tomcat-catalina-ant tomcat-catalina-ha tomcat-coyote "
        "tomcat-dbcp tomcat-el-api tomcat-jasper tomcat-jasper-el tomcat-jaspic-api tomcat-jdbc tomcat-jni "
        "tomcat-jsp-api tomcat-juli tomcat-servlet-api tomcat-storeconfig tomcat-tribes tomcat-util tomcat-util-scan "
        "tomcat-websocket tomcat-websocket-api"
    ),
    "org.hibernate": "hibernate-core hibernate-entitymanager hibernate-envers hibernate-ehcache hibernate-c3p0",
    "io.micrometer": "micrometer-*",
    "io.projectreactor": "reactor-core reactor-test reactor-tools",
    "io.projectreactor.netty": "reactor-netty reactor-netty-*",
    "io.reactivex": "rxjava",
    "org.reactivestreams": "reactive-streams",
    "org.jetbrains.kotlin": (
        "kotlin-stdlib kotlin-stdlib-* kotlin-reflect kotlin-script-* kotlin-scripting-* kotlin-compiler "
        "kotlin-compiler-* kotlin-daemon kotlin-daemon-* kotlin-annotations-* kotlin-annotation-processing* "
        "kotlin-android-extensions* kotlin-build-common kotlin-gradle-plugin kotlin-main-kts kotlin-preloader "
        "kotlin-runner kotlin-test kotlin-test-*"
    ),
    "org.jetbrains.kotlinx": "kotlinx-*",
    "com.squareup.okhttp3": "okhttp okhttp-* logging-interceptor mockwebserver",
    "com.squareup.okio": "okio okio-jvm",
    "com.squareup.retrofit2": "retrofit",
    "org.codehaus.groovy": "groovy groovy-* groovy-all",
    "org.bouncycastle": "bcprov-* bcpkix-* bcutil-* bcpg-* bcmail-* bctls-* bcjmail-* bc-fips bcpkix-fips bctls-fips",
    "org.apache.kafka": "kafka-clients kafka-streams connect-* kafka-server-common kafka-log4j-appender kafka-raft "
    "kafka-metadata kafka-storage kafka-storage-api kafka-tools kafka-shell kafka_2.11 kafka_2.12 kafka_2.13",
    "org.apache.lucene": "lucene-*",
    "org.apache.solr": "solr-core solr-solrj",
    "org.elasticsearch": "elasticsearch elasticsearch-cli elasticsearch-core elasticsearch-x-content elasticsearch-geo "
    "elasticsearch-secure-sm elasticsearch-plugin-classloader elasticsearch-launchers elasticsearch-lz4",
    "org.elasticsearch.client": "elasticsearch-rest-client elasticsearch-rest-high-level-client",
    "org.opensearch": "opensearch opensearch-core opensearch-cli opensearch-x-content opensearch-common",
    "net.sf.py4j": "py4j",
    "org.postgresql": "postgresql",
    "mysql": "mysql-connector-java",
    "com.mysql": "mysql-connector-j",
    "org.mariadb.jdbc": "mariadb-java-client",
    "com.microsoft.sqlserver": "mssql-jdbc",
    "com.oracle.database.jdbc": "ojdbc8 ojdbc10 ojdbc11 ucp ucp11",
    "com.h2database": "h2",
    "org.hsqldb": "hsqldb",
    "org.xerial": "sqlite-jdbc",
    "org.xerial.snappy": "snappy-java",
    "org.apache.derby": "derby derbyclient derbynet derbytools derbyshared",
    "org.liquibase": "liquibase-core",
    "org.flywaydb": "flyway-core flyway-mysql",
    "org.scala-lang": "scala-library scala-reflect scala-compiler scala3-library_3",
    "org.scala-lang.modules": "scala-parser-combinators_* scala-xml_* scala-java8-compat_* scala-collection-compat_*",
    "com.typesafe.akka": "akka-*",
    "com.typesafe.play": "play_* play-*",
    "org.eclipse.jdt": "ecj",
    "org.projectlombok": "lombok",
    "org.junit.jupiter": "junit-jupiter junit-jupiter-*",
    "org.junit.platform": "junit-platform-*",
    "org.junit.vintage": "junit-vintage-engine",
    "org.mockito": "mockito-core mockito-inline mockito-junit-jupiter mockito-all",
    "net.bytebuddy": "byte-buddy byte-buddy-agent",
    "org.ow2.asm": "asm asm-analysis asm-commons asm-tree asm-util asm-xml",
    "org.opentest4j": "opentest4j",
    "org.apiguardian": "apiguardian-api",
    "org.assertj": "assertj-core",
    "log4j": "log4j",
    "org.apache.ant": "ant ant-launcher ant-antlr ant-apache-* ant-commons-* ant-imageio ant-jai ant-jakartamail "
    "ant-javamail ant-jdepend ant-jmf ant-jsch ant-junit ant-junit4 ant-junitlauncher ant-netrexx ant-swing "
    "ant-testutil ant-xz",
    "org.apache.poi": "poi poi-ooxml poi-ooxml-lite poi-ooxml-schemas poi-scratchpad",
    "org.apache.xmlbeans": "xmlbeans",
    "xerces": "xercesImpl",
    "xalan": "xalan serializer",
    "xml-apis": "xml-apis",
    "dom4j": "dom4j",
    "jdom": "jdom",
    "org.jdom": "jdom2",
    "commons-chain": "commons-chain",
    "oro": "oro",
    "logkit": "logkit",
    "avalon-framework": "avalon-framework",
    "aopalliance": "aopalliance",
    "javax.inject": "javax.inject",
    "commons-collections": "commons-collections",
    "commons-beanutils": "commons-beanutils",
    "commons-fileupload": "commons-fileupload",
    "commons-lang": "commons-lang",
    "commons-httpclient": "commons-httpclient",
    "commons-logging": "commons-logging",
    "commons-codec": "commons-codec",
    "commons-io": "commons-io",
    "commons-net": "commons-net",
    "commons-digester": "commons-digester",
    "commons-validator": "commons-validator",
    "commons-cli": "commons-cli",
    "commons-dbcp": "commons-dbcp",
    "commons-pool": "commons-pool",
    "commons-configuration": "commons-configuration",
    "commons-jxpath": "commons-jxpath",
    "org.apache.commons": "commons-lang3 commons-collections4 commons-text commons-compress commons-configuration2 "
    "commons-math3 commons-pool2 commons-dbcp2 commons-csv commons-exec commons-email commons-fileupload2-core",
    "com.google.guava": "guava failureaccess guava-gwt",
    "com.google.code.gson": "gson",
    "com.google.protobuf": "protobuf-java protobuf-java-util protobuf-javalite protobuf-kotlin",
    "com.google.inject": "guice",
    "io.grpc": "grpc-*",
    "io.opentelemetry": "opentelemetry-api opentelemetry-common opentelemetry-context opentelemetry-sdk "
    "opentelemetry-sdk-* opentelemetry-exporter-*",
    "io.opentelemetry.javaagent": "opentelemetry-javaagent",
    "com.fasterxml.jackson.core": "jackson-core jackson-databind jackson-annotations",
    "org.codehaus.jackson": "jackson-core-asl jackson-core-lgpl jackson-mapper-asl jackson-mapper-lgpl jackson-xc",
    "org.apache.thrift": "libthrift libfb303",
    "com.google.crypto.tink": "tink tink-awskms tink-gcpkms",
    "org.rocksdb": "rocksdbjni",
    "javax.jdo": "jdo-api jdo2-api",
    "javax.transaction": "jta transaction-api javax.transaction-api",
    "org.jodd": "jodd-*",
    "net.sf.saxon": "Saxon-HE",
    "org.xmlresolver": "xmlresolver",
    "org.w3c.css": "sac",
    "io.mola.galimatias": "galimatias",
    "net.sourceforge.f2j": "arpack_combined_all",
    "com.thoughtworks.xstream": "xstream",
    "org.yaml": "snakeyaml",
    "org.slf4j": "slf4j-api slf4j-simple slf4j-log4j12 slf4j-jdk14 slf4j-nop jcl-over-slf4j jul-to-slf4j "
    "log4j-over-slf4j",
    "ch.qos.logback": "logback-core logback-classic logback-access",
    "org.apache.logging.log4j": "log4j-api log4j-core log4j-slf4j-impl log4j-slf4j2-impl log4j-jul log4j-jcl log4j-web "
    "log4j-1.2-api log4j-layout-template-json log4j-to-slf4j",
    "org.apache.httpcomponents": "httpclient httpcore httpmime httpasyncclient httpcore-nio fluent-hc",
    "org.apache.httpcomponents.client5": "httpclient5",
    "org.apache.httpcomponents.core5": "httpcore5 httpcore5-h2",
    "org.apache.velocity": "velocity velocity-engine-core velocity-tools velocity-tools-*",
    "org.freemarker": "freemarker",
    "org.quartz-scheduler": "quartz",
    "net.sf.ehcache": "ehcache",
    "org.ehcache": "ehcache-*",
    "com.hazelcast": "hazelcast hazelcast-all",
    "org.codehaus.jettison": "jettison",
    "net.minidev": "json-smart accessors-smart",
    "com.jayway.jsonpath": "json-path json-path-assert",
    "com.nimbusds": "nimbus-jose-jwt oauth2-oidc-sdk",
    "io.undertow": "undertow-core undertow-servlet undertow-websockets-jsr",
    "org.jruby": "jruby jruby-core jruby-stdlib jruby-complete",
    "org.python": "jython jython-standalone",
    "org.mozilla": "rhino",
    "com.zaxxer": "HikariCP",
    "com.github.ben-manes.caffeine": "caffeine",
    "com.github.spotbugs": "spotbugs-annotations",
    "com.google.code.findbugs": "jsr305",
    "com.google.re2j": "re2j",
    "info.picocli": "picocli",
    "net.jcip": "jcip-annotations",
    "org.checkerframework": "checker-qual",
    "org.eclipse.platform": "org.eclipse.osgi",
    "org.objenesis": "objenesis",
    "org.roaringbitmap": "RoaringBitmap",
    "com.mchange": "c3p0 mchange-commons-java",
    "org.apache.struts": "struts2-core struts2-rest-plugin struts-core",
    "ognl": "ognl",
    "org.apache.shiro": "shiro-core shiro-web shiro-spring shiro-all",
    "org.apache.zookeeper": "zookeeper zookeeper-jute",
    "net.java.dev.jna": "jna jna-platform",
    "com.sun.mail": "javax.mail jakarta.mail",
    "org.apache.pdfbox": "pdfbox fontbox pdfbox-tools pdfbox-app",
    "com.itextpdf": "itextpdf",
    "com.github.luben": "zstd-jni",
    "org.lz4": "lz4-java",
    "org.apache.avro": "avro",
    "com.alibaba": "fastjson druid",
    "cglib": "cglib cglib-nodep",
    "antlr": "antlr",
    "org.antlr": "antlr4-runtime antlr-runtime ST4",
    "org.javassist": "javassist",
    "org.jsoup": "jsoup",
    "joda-time": "joda-time",
    "junit": "junit",
    "org.hamcrest": "hamcrest hamcrest-core hamcrest-library hamcrest-all",
    "javax.servlet": "javax.servlet-api servlet-api jstl",
    "jakarta.servlet": "jakarta.servlet-api",
    "org.jboss.logging": "jboss-logging",
    "com.graphql-java": "graphql-java java-dataloader",
    "com.netflix.zuul": "zuul-core",
    "com.netflix.hystrix": "hystrix-core",
    "com.netflix.eureka": "eureka-client eureka-core",
    "org.apache.cassandra": "apache-cassandra cassandra-all",
    "com.rabbitmq": "amqp-client",
    "redis.clients": "jedis",
    "io.lettuce": "lettuce-core",
    "org.mongodb": "mongodb-driver-core mongodb-driver-sync mongo-java-driver mongodb-driver-legacy bson",
}

_EXACT = {a: g for g, names in _GROUPS.items() for a in names.split() if not a.endswith("*")}
_PREFIXES = {a[:-1]: g for g, names in _GROUPS.items() for a in names.split() if a.endswith("*")}
_LENGTHS = sorted({len(p) for p in _PREFIXES}, reverse=True)


def group_of(artifact: str) -> str:
    """The group of a well-known artifact; "" if it is none."""
    if artifact in _EXACT:
        return _EXACT[artifact]
    for length in _LENGTHS:
        group = _PREFIXES.get(artifact[:length])
        if group:
            return group
    return ""
