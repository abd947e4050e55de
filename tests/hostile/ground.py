"""A small appliance with a client in use, and all that can be said about its state."""
import hashlib
import os
import shutil
import stat
import subprocess
from pathlib import Path

from shapes import CLIENT, END, TOP, gz, member

CLIENT_DIR = "usr/safenet/lunaclient"
IDENTITY = {"cert/client/okv1Key.pem": 0o640, "cert/server/CAFile.pem": 0o664, "configData/token/001/token.db": 0o660,
            "data/state": 0o660}


def client(version, more=b"", size=0):
    """An honest minimal client, the way the vendor packs it; `size`: of one file more."""
    top = TOP.replace(b"10.4.0-417", version)
    parts = [member(name.replace(TOP, top), content + (version if content[:1] == b"#" else b""), mode=0o755)
             for name, content in CLIENT]
    parts.append(member(top + b"jsp/LunaProvider.jar", bytes(range(256)) * (size // 256)))
    parts.append(member(top + b"link", kind=b"2", link=b"bin/64/vtl"))
    return b"".join(parts) + more + END


def root_make(root, extract, old=True):
    """`root` anew: accounts, and with `old` an installed client that has an identity."""
    shutil.rmtree(root, ignore_errors=True)
    root = Path(root)
    (root / "etc").mkdir(parents=True)
    (root / "etc/passwd").write_text("root:x:0:0::/root:/bin/sh\noracle:x:54321:54321::/:/bin/sh\n")
    (root / "etc/group").write_text("root:x:0:\noinstall:x:54321:\nhsmusers:x:986:oracle\n")
    (root / "opt/okv-luna/var").mkdir(parents=True, mode=0o700)
    if not old:
        return
    archive = root / "old.tar.gz"
    archive.write_bytes(gz(client(b"10.1.0-1")))
    subprocess.run([extract, "--root", root, "-q", archive], check=True)
    archive.unlink()
    for name, mode in IDENTITY.items():
        path = root / CLIENT_DIR / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"the identity's {name}\n" * 20)
        os.chown(path, 54321, 986)
        path.chmod(mode)


def look(root, below="", times=False):
    """{path: all that matters}; directories change their times when something comes and goes in them."""
    found = {}
    for where, dirs, files in os.walk(os.path.join(root, below)):
        for name in [".", *dirs, *files]:
            path = os.path.normpath(os.path.join(where, name))
            status = os.lstat(path)
            said = [oct(status.st_mode), status.st_uid, status.st_gid]
            if stat.S_ISLNK(status.st_mode):
                said.append(os.readlink(path))
            elif stat.S_ISREG(status.st_mode):
                with open(path, "rb") as file:
                    said += [status.st_nlink, status.st_size, hashlib.sha256(file.read()).hexdigest()]
                if times:
                    said += [status.st_mtime_ns, status.st_ino]
            if times:
                said += os.listxattr(path, follow_symlinks=False)
            found[os.path.relpath(path, root)] = tuple(said)
    return found


def difference(before, after):
    return next((f"{p}: {before.get(p)} -> {after.get(p)}" for p in sorted({*before, *after})
                 if before.get(p) != after.get(p)), None)
