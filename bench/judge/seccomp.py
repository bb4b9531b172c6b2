"""Refuses system calls that somebody else's code has no business with, by a filter of the kernel (seccomp).

Refused is what outlives a request unseen (System V shared memory, message queues, keys), what looks into or changes
other processes, what opens the kernel (bpf, io_uring), a signal to everybody at once, and every socket but those
between processes of one machine: namespaces do not separate all networks (vsock). A refused call fails with EPERM. The
filter is inherited by all descendants and cannot be removed.
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
UNIX = 1  # AF_UNIX, the only address family a socket may have
EVERYBODY = 0xFFFFFFFF  # the low half of -1, which `kill` takes for every process
X32 = 0x40000000  # where the numbers of another ABI of x86_64 begin


@dataclass(frozen=True)
class _Machine:
    """Numbers of one processor architecture.

    `architecture` is its AUDIT_ARCH constant. `socket` and `kill` are the calls whose first argument decides; `refused`
    are the calls that are refused whatever their arguments.
    """

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
    # The same calls in the same order, line by line.
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
    """Refuse these calls to this thread and all it starts, for good.

    Returns whether this kernel and machine could; elsewhere the other parts of the confinement stand alone.
    """
    machine = MACHINES.get(platform.machine())
    if sys.platform != "linux" or machine is None:
        return False
    content = _build_filter(machine)
    buffer = ctypes.create_string_buffer(content)
    # struct sock_fprog: the number of instructions, 8 bytes each, and a pointer to them. `buffer` has to outlive the
    # call.
    program = struct.pack("HxxxxxxP", len(content) // 8, ctypes.addressof(buffer))
    prctl = ctypes.CDLL(None).prctl
    # The kernel takes a filter from a process without rights only after this promise.
    if prctl(NO_NEW_PRIVILEGES, 1, 0, 0, 0):
        return False
    return bool(prctl(SET_SECCOMP, FILTER, program, 0, 0) == 0)


def _build_filter(machine: _Machine) -> bytes:
    """The filter as the kernel's `sock_filter` structs: (operation, jump where true, jump where false, operand).

    It refuses calls of another architecture and of the x32 ABI, whose numbers would slip past the list; then the listed
    calls; then `socket` and `kill` by their first argument; it allows everything else.
    """
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
