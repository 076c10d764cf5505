"""What a model's process gives up before it touches the model. Standard library only.

The child runs this file by its path, without the package, before it imports anything else: one
thread, no model in memory. Each measure is taken where the system has it, and what was taken is
reported by name (`confine`), so that nobody has to guess what holds on a machine.
"""

from __future__ import annotations

import ctypes
import os
import platform
import resource
import struct
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

_LINUX = sys.platform.startswith("linux")
_OPEN_FILES = 64
_PROCESSES = 512

_PR_SET_DUMPABLE = 4
_PR_SET_SECCOMP = 22
_PR_SET_NO_NEW_PRIVS = 38
_CLONE_NEWIPC = 0x08000000
_CLONE_NEWNET = 0x40000000
_CLONE_THREAD = 0x00010000


def confine(memory_bytes: int) -> dict[str, str]:
    """Give up what a model does not need; return what was given up and what was not.

    Keys: `memory`, `files`, `network`, `user`, `privileges`, `filesystem`, `system_calls`.
    A value begins with `no` where the system did not allow the measure.
    """
    told = {
        "memory": _attempt(lambda: _limit_memory(memory_bytes)),
        "files": _attempt(_limit_files),
    }
    if not _LINUX:
        for name in ("network", "privileges", "filesystem", "system_calls"):
            told[name] = "no: this system has no such measure"
        told["user"] = "no: the hub's own"
        return told
    libc = ctypes.CDLL(None, use_errno=True)
    told["network"] = _attempt(lambda: _leave_network(libc))
    told["user"] = _attempt(lambda: _leave_user(libc))
    told["privileges"] = _attempt(lambda: _no_new_privileges(libc))
    told["filesystem"] = _attempt(lambda: _restrict_files(libc))
    told["system_calls"] = _attempt(lambda: _filter_calls(libc))
    return told


def _attempt(measure: Callable[[], str]) -> str:
    try:
        return measure()
    except (OSError, ValueError, AttributeError) as error:
        return f"no: {error}"


def _checked(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


# limits of the process


def _limit_memory(size: int) -> str:
    resource.setrlimit(resource.RLIMIT_AS, (size, size))
    return f"at most {size} bytes of addresses"


def _limit_files() -> str:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))  # of files; pipes and devices are none
    resource.setrlimit(resource.RLIMIT_NOFILE, (_OPEN_FILES, _OPEN_FILES))
    _, most = resource.getrlimit(resource.RLIMIT_NPROC)
    count = _PROCESSES if most == resource.RLIM_INFINITY else min(most, _PROCESSES)
    resource.setrlimit(resource.RLIMIT_NPROC, (count, count))
    return f"nothing written to files; {_OPEN_FILES} open files; {count} processes of its user"


# namespaces, user and privileges


def _leave_network(libc: ctypes.CDLL) -> str:
    """Move to a network of its own, which has no device that is up."""
    try:
        _checked(libc.unshare(_CLONE_NEWNET | _CLONE_NEWIPC))
    except OSError as error:
        return f"no namespace ({error.strerror}); see system_calls"
    return "an empty namespace"


def _leave_user(libc: ctypes.CDLL) -> str:
    """Become `nobody` where the hub is root and nobody may read the interpreter."""
    if os.geteuid() != 0:
        return "no: the hub's own"
    import pwd

    try:
        nobody = pwd.getpwnam("nobody")
    except KeyError:
        nobody = None
    if nobody is not None and _may_read(nobody.pw_uid, nobody.pw_gid):
        # The own folder, which only root may enter so far.
        os.chown(".", nobody.pw_uid, nobody.pw_gid)
        os.setgroups([])
        os.setresgid(nobody.pw_gid, nobody.pw_gid, nobody.pw_gid)
        os.setresuid(nobody.pw_uid, nobody.pw_uid, nobody.pw_uid)
        return "nobody"
    _drop_capabilities(libc)
    return "root without capabilities: nobody may not read the interpreter"


def _may_read(uid: int, gid: int) -> bool:
    """Tell whether a user may read what the child is going to import."""
    import importlib.util

    wanted = [os.__file__, sys.executable]
    for name in ("numpy", "pandas", "sklearn"):
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.origin is not None:
            wanted.append(spec.origin)
    groups = os.getgroups()
    os.setgroups([])
    os.setegid(gid)
    os.seteuid(uid)
    try:
        return all(os.access(path, os.R_OK, effective_ids=True) for path in wanted)
    finally:
        os.seteuid(0)
        os.setegid(0)
        os.setgroups(groups)


def _drop_capabilities(libc: ctypes.CDLL) -> None:
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)  # version 3, this process
    nothing = (ctypes.c_uint32 * 6)()
    _checked(libc.capset(header, nothing))


def _no_new_privileges(libc: ctypes.CDLL) -> str:
    _checked(libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
    _checked(libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0))
    return "none to gain"


# Landlock: which files

_LANDLOCK_CREATE, _LANDLOCK_ADD, _LANDLOCK_RESTRICT = 444, 445, 446
_EXECUTE, _READ_FILE, _READ_DIR = 1, 4, 8
_READ = _EXECUTE | _READ_FILE | _READ_DIR
_OF_FILES = 1 | 2 | 4 | 1 << 14 | 1 << 15
"""Rights that a rule on a file, not a folder, may hold."""
_RIGHTS_BY_VERSION = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}
_READABLE = (
    "/usr",
    "/lib",
    "/lib64",
    "/etc/ld.so.cache",
    "/etc/localtime",
    "/dev/null",
    "/dev/urandom",
    "/dev/zero",
    "/proc/cpuinfo",
    "/proc/meminfo",
    "/sys/devices/system/cpu",
    "/sys/fs/cgroup",
)


def _restrict_files(libc: ctypes.CDLL) -> str:
    """Leave the interpreter and its libraries to read, and nothing to write."""
    version = _checked(libc.syscall(_LANDLOCK_CREATE, None, 0, 1))
    rights = (1 << _RIGHTS_BY_VERSION.get(version, 16)) - 1
    connections = 3 if version >= 4 else 0  # binding and connecting of TCP
    scopes = 3 if version >= 6 else 0  # abstract sockets and signals
    asked = struct.pack("=QQQ", rights, connections, scopes)
    size = 8 if version < 4 else 16 if version < 6 else 24
    ruleset = _checked(libc.syscall(_LANDLOCK_CREATE, asked, ctypes.c_size_t(size), 0))
    try:
        for path in dict.fromkeys((*_READABLE, *_interpreter())):
            _allow(libc, ruleset, path, _READ)
        _allow(libc, ruleset, "/dev/null", _READ | 2)
        _allow(libc, ruleset, str(Path.cwd()), _READ_FILE | _READ_DIR)
        _checked(libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
        _checked(libc.syscall(_LANDLOCK_RESTRICT, ruleset, 0))
    finally:
        os.close(ruleset)
    return f"Landlock {version}: the interpreter to read, nothing to write"


def _interpreter() -> Sequence[str]:
    """Return where Python and its packages lie."""
    found = [sys.prefix, sys.base_prefix, sys.exec_prefix, sys.base_exec_prefix, *sys.path]
    # A path of "/" or "" would allow everything.
    return [path for path in found if path and Path(path) != Path(Path(path).anchor)]


def _allow(libc: ctypes.CDLL, ruleset: int, path: str, rights: int) -> None:
    try:
        opened = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    try:
        if not Path(path).is_dir():
            rights &= _OF_FILES
        rule = struct.pack("=Qi", rights, opened)
        _checked(libc.syscall(_LANDLOCK_ADD, ruleset, 1, rule, 0))
    finally:
        os.close(opened)


# seccomp: which system calls

_ALLOW, _REFUSE, _UNKNOWN, _KILL = 0x7FFF0000, 0x00050001, 0x00050026, 0x80000000
_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_NUMBER, _ARCHITECTURE, _FIRST_ARGUMENT = 0, 4, 16

# No sockets, processes, programs, signals to others, nor ways around this filter. By name: socket,
# execve, execveat, ptrace, process_vm_readv, process_vm_writev, io_uring_setup, unshare, setns,
# mount, bpf, perf_event_open, add_key, request_key, keyctl, userfaultfd, pidfd_send_signal,
# pidfd_open, pidfd_getfd, tkill, rt_sigqueueinfo, rt_tgsigqueueinfo, shmget, msgget, semget,
# memfd_create, open_by_handle_at, setpriority; of x86_64 fork and vfork too.
_REFUSED = {
    "x86_64": (
        *(41, 59, 322, 101, 310, 311, 425, 272, 308, 165, 321, 298, 248, 249, 250, 323, 424, 434),
        *(438, 200, 129, 297, 29, 68, 64, 319, 304, 141, 57, 58),
    ),
    "aarch64": (
        *(198, 221, 281, 117, 270, 271, 425, 97, 268, 40, 280, 241, 217, 218, 219, 282, 424, 434),
        *(438, 130, 138, 240, 194, 186, 190, 279, 265, 140),
    ),
}
# What Landlock leaves open to the owner of a file, who the model is: its mode, owner, times,
# attributes, and to watch it. Then changes that Landlock refuses as well, where it is missing; and
# what one process of a user may do to another. By name, on x86_64 and on aarch64.
_REFUSED_TOO: Mapping[str, tuple[int | None, int | None]] = {
    "chmod": (90, None),
    "fchmod": (91, 52),
    "fchmodat": (268, 53),
    "fchmodat2": (452, 452),
    "chown": (92, None),
    "lchown": (94, None),
    "fchown": (93, 55),
    "fchownat": (260, 54),
    "utime": (132, None),
    "utimes": (235, None),
    "futimesat": (261, None),
    "utimensat": (280, 88),
    "setxattr": (188, 5),
    "lsetxattr": (189, 6),
    "fsetxattr": (190, 7),
    "setxattrat": (463, 463),
    "removexattr": (197, 14),
    "lremovexattr": (198, 15),
    "fremovexattr": (199, 16),
    "removexattrat": (466, 466),
    "file_setattr": (469, 469),
    "inotify_add_watch": (254, 27),
    "fanotify_init": (300, 262),
    "creat": (85, None),
    "truncate": (76, 45),
    "ftruncate": (77, 46),
    "unlink": (87, None),
    "unlinkat": (263, 35),
    "rmdir": (84, None),
    "rename": (82, None),
    "renameat": (264, 38),
    "renameat2": (316, 276),
    "link": (86, None),
    "linkat": (265, 37),
    "symlink": (88, None),
    "symlinkat": (266, 36),
    "mkdir": (83, None),
    "mkdirat": (258, 34),
    "mknod": (133, None),
    "mknodat": (259, 33),
    "mq_open": (240, 180),
    "sched_setparam": (142, 118),
    "sched_setscheduler": (144, 119),
    "sched_setattr": (314, 274),
    "ioprio_set": (251, 30),
    "migrate_pages": (256, 238),
    "move_pages": (279, 239),
}
_ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_CLONE = {"x86_64": 56, "aarch64": 220}
_CLONE3 = 435
_SIGNALS = {"x86_64": (62, 234), "aarch64": (129, 131)}  # kill, tgkill
_PRLIMIT = {"x86_64": 302, "aarch64": 261}
_SCHED_SETAFFINITY = {"x86_64": 203, "aarch64": 122}


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def _filter_calls(libc: ctypes.CDLL) -> str:
    """Refuse system calls that no model needs, from now on and for good."""
    machine = platform.machine()
    if machine not in _ARCHITECTURES or struct.calcsize("P") != 8 or sys.byteorder != "little":
        return f"no: no filter for {machine}"
    code = b"".join(_statements(machine, os.getpid()))
    program = _Program(len(code) // 8, code)
    _checked(libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
    _checked(libc.prctl(_PR_SET_SECCOMP, 2, ctypes.byref(program), 0, 0))
    return "no sockets, processes, programs, signals to others, or changes to files"


def _statements(machine: str, pid: int) -> list[bytes]:
    made = [
        _do(_LOAD, _ARCHITECTURE),
        _do(_EQUAL, _ARCHITECTURES[machine], yes=1),
        _do(_RETURN, _KILL),
        _do(_LOAD, _NUMBER),
    ]
    if machine == "x86_64":  # the same calls by the numbers of x32
        made += [_do(_AT_LEAST, 0x40000000, no=1), _do(_RETURN, _REFUSE)]
    for number in _REFUSED[machine]:
        made += [_do(_EQUAL, number, no=1), _do(_RETURN, _REFUSE)]
    place = list(_ARCHITECTURES).index(machine)
    for numbers in _REFUSED_TOO.values():
        if (refused := numbers[place]) is not None:
            made += [_do(_EQUAL, refused, no=1), _do(_RETURN, _REFUSE)]
    # Its flags lie in memory, which no filter sees; a C library falls back to the older call.
    made += [_do(_EQUAL, _CLONE3, no=1), _do(_RETURN, _UNKNOWN)]
    made += _only_where(_CLONE[machine], _ANY_BIT, _CLONE_THREAD)
    for number in _SIGNALS[machine]:
        made += _only_where(number, _EQUAL, pid)
    for own in (_PRLIMIT, _SCHED_SETAFFINITY):
        made += _only_where(own[machine], _EQUAL, 0)
    made.append(_do(_RETURN, _ALLOW))
    return made


def _only_where(number: int, test: int, wanted: int) -> list[bytes]:
    """Allow a call only where its first argument passes a test."""
    return [
        _do(_EQUAL, number, no=4),
        _do(_LOAD, _FIRST_ARGUMENT),
        _do(test, wanted, no=1),
        _do(_RETURN, _ALLOW),
        _do(_RETURN, _REFUSE),
    ]


def _do(code: int, operand: int, yes: int = 0, no: int = 0) -> bytes:
    return struct.pack("=HBBI", code, yes, no, operand)
