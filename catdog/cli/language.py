"""The words of an answer in other languages: one table a language."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Language:
    """How to say an answer.

    Attributes:
        answer: a sentence with a place for `label`.
        truth: the same for the true class.
        classes: class name, lower case → its name in this language; others stay as they are.
    """

    answer: str
    truth: str
    error: str
    classes: dict[str, str] = field(default_factory=dict)

    def name(self, label: str) -> str:
        """A class's name in this language, where it is known."""
        return self.classes.get(label.lower(), label)


LANGUAGES: dict[str, Language] = {
    "ko": Language(
        answer="=====위는 [{label}] 입니다.=====",
        truth="정답: {label}",
        error="읽을 수 없습니다: {reason}",
        classes={
            "cat": "고양이",
            "cats": "고양이",
            "dog": "강아지",
            "dogs": "강아지",
            "unsure": "잘 모르겠음",
        },
    ),
}
