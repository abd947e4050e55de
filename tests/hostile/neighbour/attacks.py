"""What neighbours plant: the kinds, the places, and how much an answer may depend on each."""
import fcntl
import os
import signal
import socket
import stat

from judge import Planted
from world import CLIENT, GENERIC, HSM

# A place, who reaches it, and what it may decide: nothing ("scratch", "tmp": everybody writes there), or an answer that
# names the plant ("group": the members of the HSM group hold the client's identity; "okv": OKV's user its own files).
PLACES = {
    f'{CLIENT}/data': (('nobody', 'oracle', 'support'), 'scratch'),
    f'{CLIENT}/data/sub': (('nobody', 'oracle', 'support'), 'scratch'),
    f'{CLIENT}/lock': (('nobody',), 'scratch'),
    f'{CLIENT}/cert': (('oracle',), 'group'),
    f'{CLIENT}/cert/client': (('oracle',), 'group'),
    f'{CLIENT}/cert/server': (('oracle',), 'group'),
    f'{CLIENT}/configData': (('oracle',), 'group'),
    f'{CLIENT}/configData/token/001': (('oracle',), 'group'),
    GENERIC: (('oracle',), 'tmp'),
    HSM: (('oracle',), 'tmp'),
    'tmp': (('nobody', 'oracle', 'support'), 'tmp'),
    'var/tmp': (('nobody',), 'tmp'),
    'home/support': (('support',), 'tmp'),
    'home/oracle': (('oracle',), 'tmp'),
}
# How many small files one has; FILES=1000000 takes 1 GB of memory.
FILES = int(os.environ.get('FILES', '20000'))
MANY = f'{FILES:,} files'
# What root reads or writes and a neighbour can put something else in the place of.
ENTRIES = {
    f'{GENERIC}/okv_hsm.conf': ('oracle', None),
    f'{GENERIC}/okv_hsm_env': ('oracle', None),
    f'{GENERIC}/okv_hsm_mid_upgrade': ('oracle', None),
    GENERIC: ('oracle', None),
    f'{HSM}/hsmbundle': ('oracle', None),
    f'{CLIENT}/cert/client': ('oracle', None),
    f'{CLIENT}/cert/client/okv1Key.pem': ('oracle', None),
    f'{CLIENT}/cert/server/CAFile.pem': ('oracle', None),
    f'{CLIENT}/configData/token/001/token.db': ('oracle', None),
    'tmp/in': ('support', ('extract', 'bundle apply', 'bundle clean')),
    'tmp/out': ('support', ('bundle seal',)),
}


class Plant:
    """One act of a neighbour, done in a world; then held by a process of his where it has to be held."""

    def __init__(self, world, actor, helper):
        self.world, self.actor, self.helper = world, actor, helper
        self.planted, self.names, self.holder = [], [], None

    def room(self, path):
        if not os.path.isdir(path):
            os.mkdir(path)
            os.chown(path, self.actor.uid, self.actor.gid)
            os.chmod(path, 0o777)

    def make(self, path, act):
        """As himself; where he cannot today, as if he had been able to: made by root, and his."""
        self.room(os.path.dirname(path))
        if self.actor.does(act) != 0:
            act()
            os.lchown(path, self.actor.uid, self.actor.gid)
            if not stat.S_ISLNK(os.lstat(path).st_mode):
                os.chmod(path, stat.S_IMODE(os.lstat(path).st_mode) | 0o666)
        self.names.append(os.path.basename(path))

    def keep(self, path):
        self.planted.append(Planted(path))

    def hold(self, act):
        """act() in a process of his that stays, with what it has open."""
        ready, told = os.pipe()
        self.holder = os.fork()
        if self.holder == 0:
            act()
            self.actor.become()
            os.write(told, b'.')
            os.close(told)
            signal.pause()
        os.close(told)
        os.read(ready, 1)
        os.close(ready)

    def end(self):
        if self.holder:
            os.kill(self.holder, signal.SIGKILL)
            os.waitpid(self.holder, 0)
        for planted in self.planted:
            planted.close()


def up(world, path, target):
    """The way from beside `path` to `target`, the same for who takes the tree for the whole of the machine."""
    return '../' * os.path.relpath(path, world.root).count('/') + target


def link_to(target):
    def kind(plant, path):
        plant.make(path, lambda: os.symlink(up(plant.world, path, target), path))
    return kind


def hard_link(target):
    def kind(plant, path):
        # No make: he does not own it.
        plant.room(os.path.dirname(path))
        os.link(plant.world.path(target), path)
        plant.names.append(os.path.basename(path))
    return kind


def fifo(plant, path):
    plant.make(path, lambda: os.mkfifo(path, 0o666))


def listener(plant, path):
    def act():
        os.chdir(os.path.dirname(path))
        with socket.socket(socket.AF_UNIX) as s:
            s.bind(os.path.basename(path))
    plant.make(path, act)


def device(plant, path):
    plant.make(path, lambda: os.mknod(path, 0o666 | stat.S_IFCHR, os.makedev(1, 5)))


def directory(plant, path):
    plant.make(path, lambda: os.mkdir(path, 0o777))


def file_make(path, content=b'', mode=0o666):
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
    os.write(fd, content)
    os.fchmod(fd, mode)
    os.close(fd)


def program(mode):
    def kind(plant, path):
        with open(plant.helper, 'rb') as file:
            content = file.read()
        plant.make(path, lambda: file_make(path, content, mode))
        plant.keep(path)
    return kind


def open_program(plant, path):
    """One that is still open for writing: its bytes are whatever he likes, afterwards."""
    program(0o777)(plant, path)
    plant.hold(lambda: os.open(path, os.O_RDWR))


def sparse(plant, path):
    def act():
        file_make(path)
        os.truncate(path, 40 << 30)
    plant.make(path, act)
    plant.keep(path)


def deep(plant, path):
    def act():
        here = os.path.dirname(path)
        os.mkdir(path, 0o777)
        home = os.open(here, os.O_RDONLY)
        os.chdir(path)
        for _ in range(300):
            os.mkdir('d' * 20, 0o777)
            os.chdir('d' * 20)
        os.fchdir(home)
        os.close(home)
    plant.make(path, act)


def many(plant, path):
    def act():
        os.mkdir(path, 0o777)
        for number in range(FILES):
            os.mknod(f'{path}/{number}')
    plant.make(path, act)


def leased(plant, path):
    plant.make(path, lambda: file_make(path, b'mine\n'))
    plant.keep(path)

    def act():
        signal.signal(signal.SIGIO, signal.SIG_IGN)
        fcntl.fcntl(os.open(path, os.O_RDWR), fcntl.F_SETLEASE, fcntl.F_WRLCK)
    plant.hold(act)


def locked(plant, path):
    plant.make(path, lambda: file_make(path, b'mine\n'))
    plant.keep(path)

    def act():
        fd = os.open(path, os.O_RDWR)
        fcntl.flock(fd, fcntl.LOCK_EX)
    plant.hold(act)


def odd_name(plant, path):
    name = os.path.dirname(path) + '/x\x1b[31mred\u202etxt\u200b\n'
    plant.make(name, lambda: file_make(name, b'hsmbundle'))
    # The part of it that can be shown as it is.
    plant.names.append('[31mred')


# What a hurried program would call its file beside another, and what ours were once called.
GUESSES = ('.{}.okv-luna-new', '{}.new', '{}.tmp', '.{}.new', '{}.bak', '{}.okv-luna-new', '{}~')
BESIDE = {GENERIC: ('okv_hsm.conf', 'okv_hsm_env', 'okv_hsm_mid_upgrade'), HSM: ('hsmbundle', 'generic'), 'tmp': ('out', 'in'),
          f'{CLIENT}/configData/token/001': ('token.db',), f'{CLIENT}/cert/client': ('okv1Key.pem',)}


def taken(how):
    def kind(plant, path):
        where = os.path.relpath(os.path.dirname(path), plant.world.root)
        for leaf in BESIDE.get(where, ('x',)):
            for guess in GUESSES:
                how(plant, f'{os.path.dirname(path)}/{guess.format(leaf)}')
    return kind


KINDS = {
    'a link to a secret file': link_to('etc/shadow'),
    'a link to a neighbour\'s directory': link_to('var/lib/neighbour/inner'),
    'a link to a file that is not there': link_to('etc/cron.d/mine'),
    'a second name of the shadow file': hard_link('etc/shadow'),
    'a second name of a neighbour\'s program': hard_link('home/neighbour/tool'),
    'a FIFO': fifo,
    'a socket': listener,
    'a device': device,
    'a program, and a handle to it': program(0o777),
    'a set-id program, and a handle to it': program(0o6777),
    'a program that is open for writing': open_program,
    'a sparse file of 40 GiB': sparse,
    '300 levels of directories': deep,
    MANY: many,
    'a file with a lease': leased,
    'a file with a lock': locked,
    'a name that moves the terminal': odd_name,
    'directories where names can be guessed': taken(directory),
    'links where names can be guessed': taken(link_to('etc/cron.d/mine')),
    'links to a secret where names can be guessed': taken(link_to('etc/shadow')),
}
# In the place of what root expects.
INSTEAD = {
    'a link to a secret file': link_to('etc/shadow'),
    'a link to a neighbour\'s directory': link_to('var/lib/neighbour/inner'),
    'a link to a file that is not there': link_to('etc/cron.d/mine'),
    'a second name of the shadow file': hard_link('etc/shadow'),
    'a second name of a neighbour\'s file': hard_link('home/neighbour/letter'),
    'a FIFO': fifo,
    'a device': device,
    'a directory': directory,
    'a sparse file of 40 GiB': sparse,
    'a file with a lease': leased,
}
