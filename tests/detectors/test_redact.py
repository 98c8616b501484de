"""Build steps are kept without the secrets that people pass to them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grid.detectors.redact import STRUCK, redact

TOKEN = "gh" + "p_" + "aB3dE6gH9jK2mN5pQ8sT1vW4yZ7bC0dF3gH6"


@pytest.mark.parametrize(
    ("step", "kept"),
    [
        (f"RUN curl -H 'Authorization: {TOKEN}' https://x", None),
        (f"COPY --chown=1 x {TOKEN} /y", None),
        ("RUN |1 API_TOKEN=hunter2hunter2 /bin/sh -c make", f"RUN |1 API_TOKEN={STRUCK} /bin/sh -c make"),
        ("ENV DB_PASSWORD=s3cr3t-v4lue", f"ENV DB_PASSWORD={STRUCK}"),
        ("RUN mysql --password 'two words'", f"RUN mysql --password {STRUCK}"),
        ("RUN git clone https://bob:hunter2@git.example/x", f"RUN git clone https://{STRUCK}@git.example/x"),
    ],
)
def test_values_that_are_or_are_called_secrets_are_struck(step: str, kept: str | None) -> None:
    (result,) = redact([step])
    assert "hunter2" not in result and "s3cr3t" not in result and TOKEN not in result and "two words" not in result
    assert STRUCK in result
    if kept is not None:
        assert result == kept


@pytest.mark.parametrize(
    "step",
    [
        "",
        "RUN apt-get update && apt-get install -y curl",
        'CMD ["/bin/sh"]',
        "RUN |1 VERSION=1.2.3 /bin/sh -c make",
        "RUN login --password $PASSWORD",
        "COPY secrets.txt.example /app/",
    ],
)
def test_other_steps_are_kept_as_they_are(step: str) -> None:
    assert redact([step]) == [step]


def test_texts_keep_their_places() -> None:
    assert redact(["a", f"x {TOKEN}", "", "b"])[::3] == ["a", "b"]


@given(st.lists(st.text(max_size=80), max_size=5))
def test_any_text_gives_as_many_texts(texts: list[str]) -> None:
    assert len(redact(texts)) == len(texts)
