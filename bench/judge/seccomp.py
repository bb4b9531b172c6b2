"""System calls that somebody else's code has no business with: a filter of the kernel (seccomp), for good.

Refused is what outlives a request unseen (System V shared memory, message queues, keys), what looks into or changes
other processes, what opens the kernel (bpf, io_uring), a signal to everybody at once, and every socket but those
between processes of one machine: not all networks are kept apart by namespaces (vsock). A refused call fails as one
without rights does.
"""

import ctypes
import errno
import platform
import struct
import sys
from dataclasses import dataclass

NO_NEW_PRIVILEGES, SET_SECCOMP, FILTER = 38, 22, 2  # of prctl(2)
LOAD, EQUAL, AT_LEAST, RETURN = 0x20, 0x15, 0x35, 0x06  # instructions of the filter's machine
NUMBER, ARCHITECTURE, FIRST_ARGUMENT = 0, 4, 16  # offsets in seccomp_data
ALLOW, REFUSE = 0x7FFF0000, 0x00050000 | errno.EPERM
UNIX, EVERYBODY = 1, 0xFFFFFFFF  # AF_UNIX; -1, the low half of it
X32 = 0x40000000  # where the numbers of another ABI of x86_64 begin


@dataclass(frozen=True)
class _Machine:
    """Its number for the filter (AUDIT_ARCH), its numbers of `socket` and `kill`, and those of the refused calls."""

    architecture: int
    socket: int
    kill: int
    refused: tuple[int, ...]


MACHINES = {
    "x86_64": _Machine(
        0xC000003E,
        41,
        62,
        (
            *(29, 30, 31, 67),  # shmget, shmat, shmctl, shmdt
            *(64, 65, 66, 220),  # semget, semop, semctl, semtimedop
            *(68, 69, 70, 71),  # msgget, msgsnd, msgrcv, msgctl
            *(240, 241),  # mq_open, mq_unlink
            *(248, 249, 250),  # add_key, request_key, keyctl
            *(101, 310, 311, 312, 438),  # ptrace, process_vm_readv, process_vm_writev, kcmp, pidfd_getfd
            *(298, 321, 323, 425),  # perf_event_open, bpf, userfaultfd, io_uring_setup
            *(
                155,
                161,
                165,
                166,
                272,
                304,
                308,
            ),  # pivot_root, chroot, mount, umount2, unshare, open_by_handle_at, setns
        ),
    ),
    "aarch64": _Machine(
        0xC00000B7,
        198,
        129,
        (
            *(194, 196, 195, 197),
            *(190, 193, 191, 192),
            *(186, 189, 188, 187),
            *(180, 181),
            *(217, 218, 219),
            *(117, 270, 271, 272, 438),
            *(241, 280, 282, 425),
            *(41, 51, 40, 39, 97, 265, 268),
        ),
    ),
}


def refuse_calls() -> bool:
    """Refuse these calls to this thread and all it starts, for good; whether this kernel and machine could."""
    machine = MACHINES.get(platform.machine())
    if sys.platform != "linux" or machine is None:
        return False
    content = _program(machine)
    buffer = ctypes.create_string_buffer(content)
    program = struct.pack("HxxxxxxP", len(content) // 8, ctypes.addressof(buffer))
    prctl = ctypes.CDLL(None).prctl
    if prctl(NO_NEW_PRIVILEGES, 1, 0, 0, 0):
        return False
    return bool(prctl(SET_SECCOMP, FILTER, program, 0, 0) == 0)


def _program(machine: _Machine) -> bytes:
    """The filter: (operation, jump where true, jump where false, operand), one after the other."""
    steps = [(LOAD, 0, 0, ARCHITECTURE), (EQUAL, 1, 0, machine.architecture), (RETURN, 0, 0, REFUSE)]
    steps += [(LOAD, 0, 0, NUMBER), (AT_LEAST, 0, 1, X32), (RETURN, 0, 0, REFUSE)]
    for number in machine.refused:
        steps += [(EQUAL, 0, 1, number), (RETURN, 0, 0, REFUSE)]
    argument = [(LOAD, 0, 0, FIRST_ARGUMENT)]
    steps += [(EQUAL, 0, 4, machine.socket), *argument, (EQUAL, 1, 0, UNIX), (RETURN, 0, 0, REFUSE)]
    steps += [(RETURN, 0, 0, ALLOW)]
    steps += [(EQUAL, 0, 3, machine.kill), *argument, (EQUAL, 0, 1, EVERYBODY), (RETURN, 0, 0, REFUSE)]
    steps += [(RETURN, 0, 0, ALLOW)]
    return b"".join(struct.pack("HBBI", *step) for step in steps)
