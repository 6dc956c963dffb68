"""Git: the only package that runs it. Git 2.34 or newer is assumed; `process.require_git` alone checks that.

Git is run in two ways, each for a reason. Reads of objects and refs go through one `git cat-file --batch` per
repository object (`objects.ObjectPipe`): a read takes 0.05 ms that way and 3 ms with a process of its own.
All else is a process with a list of arguments and a cleaned environment (`process.Git`).

GitPython reads the repository's configuration when something is written or set up. Its object model, refs and
index are not used: they fail on reftable and SHA-256 repositories, and one `Repo` shared by threads answers
with another path's bytes. It does not find the repository either, for it believes the GIT_WORK_TREE,
GIT_COMMON_DIR and GIT_OBJECT_DIRECTORY it inherits: in a hook that is another repository.
"""

from .commits import Commit
from .history import LogEntry
from .layout import code_state, create
from .repository import GitRepository

__all__ = ["Commit", "GitRepository", "LogEntry", "code_state", "create"]
