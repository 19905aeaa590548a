"""A file system over a folder, as FUSE, that can only what every file system can: no files without a name, no holes, no sharing of blocks, no
copies in the kernel; with --no-link no hard links either (FAT), with --room N no more than N bytes.

    plain-fs.py [--no-link] [--room N] MOUNTPOINT FOLDER LOG COMMAND...

Runs the command in a mount namespace of its own, in which FOLDER is seen at MOUNTPOINT, and ends with its status. What happens to names is
written into LOG, a line each: create NAME, rename FROM TO BYTES, link NAME BYTES, unlink NAME. Protocol: linux/include/uapi/linux/fuse.h.
"""

import ctypes
import errno
import os
import struct
import subprocess
import sys
import threading

LOOKUP, FORGET, GETATTR, SETATTR, UNLINK, RENAME, LINK = 1, 2, 3, 4, 10, 12, 13
OPEN, READ, WRITE, STATFS, RELEASE, FSYNC, FLUSH, INIT = 14, 15, 16, 17, 18, 20, 25, 26
OPENDIR, READDIR, RELEASEDIR, FSYNCDIR, CREATE, DESTROY, BATCH_FORGET, RENAME2 = 27, 28, 29, 30, 35, 38, 42, 45
ROOT = 1
MOST_BYTES = 1 << 17
BIG_WRITES = 1 << 5
RENAME_NOREPLACE = 1


class Folder:
    """The files, by node; every name of them is in one directory."""

    def __init__(self, path, log, can_link, room):
        self.path, self.log, self.can_link, self.room = path, log, can_link, room
        self.nodes, self.numbers = {ROOT: ""}, {"": ROOT}

    def of(self, node):
        return os.path.join(self.path, self.nodes[node])

    def note(self, *words):
        self.log.write(" ".join(str(word) for word in words) + "\n")
        self.log.flush()

    def node_of(self, name):
        if name not in self.numbers:
            self.numbers[name] = len(self.numbers) + 1
            self.nodes[self.numbers[name]] = name
        return self.numbers[name]

    def attributes(self, node):
        s = os.stat(self.of(node))
        times = [s.st_atime_ns, s.st_mtime_ns, s.st_ctime_ns]
        return struct.pack(
            "<QQQQQQIIIIIIIIII", node, s.st_size, s.st_blocks, *[t // 10**9 for t in times],
            *[t % 10**9 for t in times], s.st_mode, s.st_nlink, s.st_uid, s.st_gid, 0, 4096, 0,
        )

    def entry(self, name):
        node = self.node_of(name)
        return struct.pack("<QQQQII", node, 0, 0, 0, 0, 0) + self.attributes(node)

    def attr(self, node):
        return struct.pack("<QII", 0, 0, 0) + self.attributes(node)

    def move(self, old, new):
        self.note("rename", old, new, os.stat(os.path.join(self.path, old)).st_size)
        os.rename(os.path.join(self.path, old), os.path.join(self.path, new))
        if new in self.numbers:
            self.nodes[self.numbers.pop(new)] = "replaced"
        number = self.numbers.pop(old, None)
        if number is not None:
            self.numbers[new], self.nodes[number] = number, new


def names(body):
    return [name.decode() for name in body.split(b"\0")[:-1]]


def answer(folder, op, node, body):
    """Of one request. None: there is none to give."""
    if op == INIT:
        return struct.pack("<IIIIHHIIHH7I", 7, 31, MOST_BYTES, BIG_WRITES, 12, 9, MOST_BYTES, 1, 0, 0, *[0] * 7)
    if op in (FORGET, BATCH_FORGET, DESTROY):
        return None
    if op == LOOKUP:
        [name] = names(body)
        os.stat(os.path.join(folder.path, name))
        return folder.entry(name)
    if op == GETATTR:
        return folder.attr(node)
    if op == SETATTR:
        valid, _, _, size = struct.unpack_from("<IIQQ", body)
        if valid & 1 << 3:
            os.truncate(folder.of(node), size)
        return folder.attr(node)
    if op in (OPEN, OPENDIR):
        return struct.pack("<QII", os.open(folder.of(node), os.O_RDONLY if op == OPENDIR else os.O_RDWR), 0, 0)
    if op in (RELEASE, RELEASEDIR):
        os.close(struct.unpack_from("<Q", body)[0])
        return b""
    if op in (FLUSH, FSYNC, FSYNCDIR):
        return b""
    if op == READ:
        handle, offset, size = struct.unpack_from("<QQI", body)
        return os.pread(handle, size, offset)
    if op == WRITE:
        handle, offset, size = struct.unpack_from("<QQI", body)
        if folder.room is not None and offset + size > folder.room:
            raise OSError(errno.ENOSPC, "room")
        return struct.pack("<II", os.pwrite(handle, body[40 : 40 + size], offset), 0)
    if op == CREATE:
        flags, mode = struct.unpack_from("<II", body)
        [name] = names(body[16:])
        handle = os.open(os.path.join(folder.path, name), flags & os.O_EXCL | os.O_CREAT | os.O_RDWR, mode & 0o777)
        folder.note("create", name)
        return folder.entry(name) + struct.pack("<QII", handle, 0, 0)
    if op == UNLINK:
        [name] = names(body)
        os.unlink(os.path.join(folder.path, name))
        folder.note("unlink", name)
        return b""
    if op in (RENAME, RENAME2):
        flags = struct.unpack_from("<Q I", body)[1] if op == RENAME2 else 0
        old, new = names(body[16 if op == RENAME2 else 8 :])
        if flags & RENAME_NOREPLACE and os.path.exists(os.path.join(folder.path, new)):
            raise OSError(errno.EEXIST, "rename")
        folder.move(old, new)
        return b""
    if op == LINK and folder.can_link:
        source = folder.of(struct.unpack_from("<Q", body)[0])
        [name] = names(body[8:])
        os.link(source, os.path.join(folder.path, name))
        folder.note("link", name, os.stat(source).st_size)
        return folder.entry(name)
    if op == LINK:
        raise OSError(errno.EPERM, "link")
    if op == STATFS:
        s = os.statvfs(folder.path)
        return struct.pack("<QQQQQIIII24x", s.f_blocks, s.f_bfree, s.f_bavail, s.f_files, s.f_ffree, 4096, 255, 4096, 0)
    raise OSError(errno.ENOSYS, "no such request")


def serve(device, folder):
    while True:
        try:
            request = os.read(device, MOST_BYTES + 4096)
        except OSError:
            return  # unmounted
        _, op, unique, node = struct.unpack_from("<IIQQ", request)
        try:
            body, failure = answer(folder, op, node, request[40:]), 0
        except OSError as error:
            body, failure = b"", -error.errno
        if body is not None:
            os.write(device, struct.pack("<IiQ", 16 + len(body), failure, unique) + body)


def mount(device, point):
    libc = ctypes.CDLL(None, use_errno=True)
    steps = [
        lambda: libc.unshare(0x20000),  # CLONE_NEWNS
        lambda: libc.mount(None, b"/", None, 1 << 18 | 1 << 14, None),  # MS_PRIVATE | MS_REC
        lambda: libc.mount(
            b"plain", point.encode(), b"fuse", 0, b"fd=%d,rootmode=40000,user_id=0,group_id=0" % device
        ),
    ]
    for step in steps:
        if step() == -1:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def main(argv):
    can_link, room = True, None
    while argv[0].startswith("--"):
        if argv[0] == "--room":
            room = int(argv.pop(1))
        can_link = can_link and argv[0] != "--no-link"
        argv.pop(0)
    point, path, log, *command = argv
    device = os.open("/dev/fuse", os.O_RDWR)
    mount(device, point)
    with open(log, "w") as lines:
        threading.Thread(target=serve, args=(device, Folder(path, lines, can_link, room)), daemon=True).start()
        return subprocess.call(command, close_fds=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
