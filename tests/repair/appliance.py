"""Fake appliances for the tests of repair: made by chance, looked at, compared, and judged by who gets in where."""
import os
import random
import shutil
import stat

HERE = os.path.dirname(os.path.abspath(__file__))
POLICY = os.path.join(HERE, '..', '..', 'payload', 'policy')
CLIENT = 'usr/safenet/lunaclient'
GID = 986
ORACLE = 54321
PARTS = ('bin', 'lib', 'plugins', 'cert', 'cert/client', 'cert/server', 'configData', 'configData/token',
         'configData/token/001', 'data')
PASSWD = 'root:x:0:0::/root:/bin/sh\noracle:x:54321:54321::/home/oracle:/bin/sh\n'
GROUP = 'root:x:0:\noinstall:x:54321:\nhsmusers:x:986:oracle\n'


def write(path, text, mode=0o644):
    with open(path, 'w') as file:
        file.write(text)
    os.chmod(path, mode)


def skeleton(root, parts=PARTS):
    """The accounts, the policies and the directories of a full client."""
    for path in ('etc', 'opt/okv-luna/share', 'opt/okv-luna/etc/policy.d') + tuple(f'{CLIENT}/{p}' for p in parts):
        os.makedirs(f'{root}/{path}', mode=0o755, exist_ok=True)
    write(f'{root}/etc/passwd', PASSWD)
    write(f'{root}/etc/group', GROUP)
    write(f'{root}/etc/Chrystoki.conf', 'Chrystoki2 = {\n}\n')
    shutil.copytree(POLICY, f'{root}/opt/okv-luna/share/policy')


NAMES = ('okv1Key.pem', 'okv1.pem', 'CAFile.pem', 'token.db', '.hidden', 'with blank', 'x', '-n', 'line\nfeed',
         "quo'te", 'back\\slash', '*', 'p%{CLIENT_DIR}', '\u00e9', 'libCryptoki2_64.so', 'vtl')


def odd_state(chance, path):
    """Any owner and any mode, set-id and sticky bits included.  Files of strangers are left alone: a test of their own."""
    owner = chance.choice((0, 0, 0, ORACLE, 5 if os.path.isdir(path) else ORACLE))
    group = chance.choice((0, 0, GID, 54321, 5))
    mode = chance.choice((0o644, 0o600, 0o755, 0o2770, 0o2777, 0o1777, chance.randrange(0o10000)))
    os.chown(path, owner, group)
    os.chmod(path, mode)
    stamp = chance.randrange(10**9) * 10**9 + chance.randrange(10**9)
    os.utime(path, ns=(stamp, stamp))


def fill(chance, directory, depth):
    for name in chance.sample(NAMES, chance.randrange(0, 5)):
        path = f'{directory}/{name}'
        if os.path.lexists(path):
            continue
        if depth < 4 and chance.random() < 0.4:
            os.mkdir(path)
            fill(chance, path, depth + 1)
        else:
            write(path, name)


def random_tree(seed, root, links):
    """A client that somebody worked on for years.  `links`: also symbolic links that lead out, to `root`.outside."""
    chance = random.Random(seed)
    keep = [p for p in PARTS if chance.random() < 0.9]
    skeleton(root, [p for p in keep if all(above in keep for above in PARTS if p.startswith(above + '/'))] or ['data'])
    client = f'{root}/{CLIENT}'
    for part in PARTS:
        if os.path.isdir(f'{client}/{part}'):
            fill(chance, f'{client}/{part}', 0)
    for top, directories, files in os.walk(client, topdown=False):
        for name in directories + files:
            odd_state(chance, f'{top}/{name}')
    odd_state(chance, f'{root}/etc/Chrystoki.conf')
    if links:
        outside = f'{root}.outside'
        os.mkdir(outside, 0o700)
        write(f'{outside}/secret', 'x', 0o600)
        for part in ('data', 'cert/client', 'configData/token/001'):
            if os.path.isdir(f'{client}/{part}'):
                os.symlink(outside, f'{client}/{part}/planted')
                os.symlink(f'{outside}/secret', f'{client}/{part}/planted2')
    return root


def look(root):
    """path -> (kind, owner, group, mode, mtime in ns), of the client and Chrystoki.conf."""
    found = {}

    def add(path):
        status = os.lstat(path)
        found[os.path.relpath(path, root)] = (stat.S_IFMT(status.st_mode), status.st_uid, status.st_gid,
                                              stat.S_IMODE(status.st_mode), status.st_mtime_ns)
    for top, directories, files in os.walk(f'{root}/{CLIENT}'):
        for name in directories + files:
            add(f'{top}/{name}')
    add(f'{root}/etc/Chrystoki.conf')
    return found


def settled(state):
    """What two runs are compared by: links have an owner that says nothing, times are their own matter."""
    return {path: entry[:4] for path, entry in state.items() if entry[0] != stat.S_IFLNK}


# --- who gets in -----------------------------------------------------------------------------------------------------

# Users by name: id and groups.
USERS = {
    'oracle': (ORACLE, {54321, GID}),
    'oracle without the group': (ORACLE, {54321}),
    'member': (1001, {1001, GID}),
    'stranger': (1002, {1002}),
    'old owner': (5, {5}),
    'in the old group': (1003, {1003, 5}),
    'in all groups': (1004, {1004, 5, GID, 54321, 0}),
}


def bits(entry, user):
    """The three bits that the kernel looks at for that user, and the set-id bits that he could use."""
    _, owner, group, mode, *_ = entry
    uid, gids = user
    rights = mode >> 6 & 7 if uid == owner else mode >> 3 & 7 if group in gids else mode & 7
    return rights


def rights(state, path, user):
    """What the user can do with the entry by its path: a set of words."""
    above = os.path.dirname(path)
    while above and above != CLIENT and above in state:
        if not bits(state[above], user) & 1:
            return frozenset()
        above = os.path.dirname(above)
    entry = state[path]
    own = bits(entry, user)
    words = {word for bit, word in ((4, 'read'), (2, 'write'), (1, 'run')) if own & bit}
    if entry[0] == stat.S_IFDIR:
        if own & 3 == 3:
            words.add('make names')
            if not entry[3] & stat.S_ISVTX or user[0] == entry[1]:
                words.add('remove names')
    elif own & 1:
        if entry[3] & stat.S_ISUID:
            words.add(f'become user {entry[1]}')
        if entry[3] & stat.S_ISGID:
            words.add(f'become group {entry[2]}')
    return frozenset(words)


def looser(now, before, after, changed=None):
    """Where somebody can do what neither the state before nor the state after lets him do: a list of sentences.

    `changed`: the one entry that is different since it was asked last; only this and what is below it is looked at."""
    found = []
    for path in now:
        if now[path][0] == stat.S_IFLNK or changed and path != changed and not path.startswith(changed + '/'):
            continue
        for name, user in USERS.items():
            can = rights(now, path, user)
            if can - rights(before, path, user) and can - rights(after, path, user):
                found.append(f'{name} can {sorted(can)} with {path!r}')
    return found
