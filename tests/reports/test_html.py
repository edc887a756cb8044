"""What every HTML report has in common: all text can be translated, and everything is escaped."""

import gettext
import re
from pathlib import Path

import pytest

from catdog.reports import html
from catdog.reports.html import render
from catdog.text import message

TEMPLATES = Path(html.__file__).parent / "templates"


class Marked(gettext.NullTranslations):
    """A language whose words are English in brackets."""

    def info(self) -> dict[str, str]:
        return {"language": "xx"}

    def gettext(self, message: str) -> str:
        return f"⟦{message}⟧"

    def ngettext(self, msgid1: str, msgid2: str, n: int) -> str:
        return self.gettext(msgid1 if n == 1 else msgid2)


@pytest.mark.parametrize("name", sorted(path.name for path in TEMPLATES.iterdir()))
def test_all_text_of_a_template_can_be_translated(name: str) -> None:
    text = (TEMPLATES / name).read_text()
    text = re.sub(r"\{#.*?#\}|<style>.*?</style>|\{%.*?%\}|\{\{.*?\}\}", "", text, flags=re.S)
    assert not re.search(r"[A-Za-z]", re.sub(r"<[^>]*>", "", text))
    attributes = re.findall(r'\b(?:alt|title|aria-label|placeholder)="([^"]*)"', text)
    assert not re.search(r"[A-Za-z]", " ".join(attributes))


def test_a_page_in_another_language() -> None:
    page = render("base.html", translations=Marked(), version="1.2")
    assert '<html lang="xx">' in page
    assert "⟦Made by catdog 1.2. " in page
    assert 'lang="en"' in render("base.html", version="1.2")


def test_facts_are_translated_and_escaped() -> None:
    page = render("base.html", translations=Marked(), version=message("<b> {name}", name="a&b \udcff"))
    assert 'content="catdog ⟦&lt;b&gt; a&amp;b \ufffd⟧"' in page
