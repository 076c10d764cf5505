"""The folder tree of Neptune's bulk backup script, and beside it what that cannot say."""

from mooring.exchange.targets.backup.asking import Answers, ask_questions
from mooring.exchange.targets.backup.backing_up import back_up

__all__ = ["Answers", "ask_questions", "back_up"]
