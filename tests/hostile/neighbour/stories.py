"""Attacks that are a story of their own: ALL is (name, command, function that returns what is wrong, or None)."""
import os
import re
import subprocess

from attacks import file_make
from judge import Planted, SECRET, difference, outside, shown
from world import CLIENT, GENERIC, HERE, HSM, LONGEST, OLD_GROUP, World

ALL = []


def story(name, *commands):
    def note(function):
        ALL.extend((name, command, lambda suite, command=command: function(suite, command)) for command in commands)
        return function
    return note


def setting(world, name, value, file='okv_hsm.conf'):
    """As OKV's user, who owns the file, would edit it."""
    path = world.path(f'{GENERIC}/{file}')
    with open(path, encoding='utf-8') as old:
        lines = [line for line in old if not line.startswith(f'{name}=')]
    with open(path, 'w', encoding='utf-8') as new:
        new.writelines([*lines, f'{name}="{value}"\n'])


def value(world, name):
    with open(world.path(f'{GENERIC}/okv_hsm.conf'), encoding='utf-8') as file:
        return re.search(f'^{name}="(.*)"$', file.read(), re.M).group(1)


def opened(suite, command):
    return World(suite.work, suite.build, command, suite.naive)


def group_of(world, path):
    return os.lstat(world.path(path)).st_gid


# --- whose files are these on the next system? ------------------------------------------------------------------------

# Ways to name the directory of the host key; the last is by a link of his own.
WAYS = ('/etc/ssh', '/etc', '/', '/etc/ssh/', '//etc//ssh/.', '/etc/../etc/ssh', '/usr/safenet/lunaclient/../../../etc/ssh',
        '/etc/ssh/ssh_host_ed25519_key', '/home/oracle/way')


@story('oracle lists /etc/ssh, whose new group has the old id of the HSM group', 'mid-upgrade', 'post-upgrade')
def reown(suite, command):
    for way in WAYS[:1] if suite.naive else WAYS:
        with opened(suite, command) as world:
            os.symlink('/etc/ssh', world.path('home/oracle/way'))
            os.chmod(world.path('home/oracle'), 0o755)
            setting(world, 'PRESERVED_FILES', f'{way}:{value(world, "PRESERVED_FILES")}')
            os.chown(world.path('etc/ssh/ssh_host_ed25519_key'), 0, OLD_GROUP)
            os.chmod(world.path('etc/ssh/ssh_host_ed25519_key'), 0o640)
            before = outside(world.root)
            world.run()
            wrong = difference(before, outside(world.root))
            if wrong:
                return f'by {way}: {wrong}'
    return None


@story('oracle lists /etc/ssh before the upgrade, so that the snapshot has it', 'mid-upgrade', 'post-upgrade')
def reown_recorded(suite, command):
    """A file of the next system under a recorded name, with the recorded number, is not the file that was recorded."""
    with opened(suite, command) as world:
        world.fill('everyday')
        key = world.path('etc/ssh/ssh_host_ed25519_key')
        setting(world, 'PRESERVED_FILES', f'/etc/ssh:{value(world, "PRESERVED_FILES")}')
        os.chown(key, 0, OLD_GROUP)
        subprocess.run([f'{suite.build}/libexec/okv-luna-pre-upgrade', '--root', world.root, '-q'], check=False,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        # The next system: its own key, and the number is another group's.
        with open(world.path('etc/group'), encoding='utf-8') as file:
            lines = [line for line in file if not line.startswith('hsmusers:')]
        with open(world.path('etc/group'), 'w', encoding='utf-8') as file:
            file.writelines([*lines, f'ssh_keys:x:{OLD_GROUP}:\n'])
        with open(world.path('etc/os-release'), 'w', encoding='utf-8') as file:
            file.write('PRETTY_NAME="Test OS 9"\n')
        os.unlink(key)
        file_make(key, b'SECRET-new-host-key\n', 0o640)
        os.chown(key, 0, OLD_GROUP)
        before = outside(world.root)
        world.run()
        return difference(before, outside(world.root))


@story('a member of the group that has the old id leaves a set-id program in data', 'mid-upgrade', 'post-upgrade')
def regift(suite, command):
    with opened(suite, command) as world:
        stranger = world.actor('nobody')
        stranger.groups.append(OLD_GROUP)
        path = world.path(f'{CLIENT}/data/helper')
        with open(f'{suite.work}/helper', 'rb') as file:
            content = file.read()
        os.chmod(world.path(f'{CLIENT}/data'), 0o777)
        file_make(path, content)
        os.chown(path, stranger.uid, OLD_GROUP)
        os.chmod(path, 0o2777)
        planted = Planted(path)
        world.run()
        wrong = planted.gift(stranger) or planted.run(stranger)
        planted.close()
        return wrong


@story('the next system came with OKV\'s stock files, and the old id is another group\'s', 'pre-upgrade --abort')
def wrong_side(suite, command):
    with opened(suite, command) as world:
        world.fill('next')
        for file in ('okv_hsm.conf', 'okv_hsm_env', 'okv_hsm_mid_upgrade'):
            subprocess.run(['cp', f'{HERE}/../../appliance/okv/{file}', world.path(GENERIC)], check=True)
        run = world.run()
        if any(OLD_GROUP == group_of(world, f'{CLIENT}/{path}') for path in ('cert', 'cert/client/okv1Key.pem', 'data')):
            return 'the client\'s files belong to whoever has the old id'
        return None if suite.naive or run.status == 3 else f'it ended with {run.status}, not with 3'


# --- what root runs of others -----------------------------------------------------------------------------------------

def thief_build(world, place):
    library = world.path(place)
    subprocess.run(['gcc', '-shared', '-fPIC', '-O1', '-D_GNU_SOURCE', f'-I{HERE}/../../../helpers', f'-I{HERE}/../../doubles',
                    f'-DROOT="{world.root}"', '-o', library, f'{HERE}/thief.c'], check=True)
    os.chmod(library, 0o755)


def loot(world):
    try:
        with open(world.path('home/oracle/loot'), 'rb') as file:
            found = file.read()
    except FileNotFoundError:
        return 'the library was not loaded, so nothing is shown'
    # OKV's user is in the group that holds the client's key.
    stolen = {word.decode() for word in SECRET.findall(found)} - {'SECRET-client-key'}
    return f'the library has {", ".join(sorted(stolen))}' if stolen else None


@story('the vendor\'s library looks for root\'s memory, descriptors and files', 'slots', 'pre-upgrade', 'status')
def thief(suite, command):
    with opened(suite, command) as world:
        thief_build(world, f'{CLIENT}/lib/libCryptoki2_64.so')
        world.run()
        return loot(world)


@story('oracle\'s environment file names a library to be loaded first', 'slots', 'pre-upgrade', 'post-upgrade', 'mid-upgrade')
def preload(suite, command):
    with opened(suite, command) as world:
        thief_build(world, 'home/oracle/thief.so')
        os.chmod(world.path('home/oracle'), 0o755)
        for name in ('LD_PRELOAD', 'LD_AUDIT', 'GCONV_PATH', 'BASH_ENV'):
            setting(world, name, f'{world.root}/home/oracle/thief.so', 'okv_hsm_env')
        if suite.naive:
            setting(world, 'PKCS11_LIB_LOC', '/home/oracle/thief.so')
        before = outside(world.root)
        world.run()
        wrong = loot(world) if os.path.exists(world.path('home/oracle/loot')) else None
        return wrong or difference(before, outside(world.root))


@story('oracle names a FIFO as the library', 'slots', 'pre-upgrade', 'status', 'config check')
def fifo_library(suite, command):
    with opened(suite, command) as world:
        os.mkfifo(world.path('home/oracle/fifo'), 0o666)
        os.chmod(world.path('home/oracle'), 0o755)
        setting(world, 'PKCS11_LIB_LOC', '/home/oracle/fifo')
        return shown(world.run())


@story('oracle lists everything: /proc, /dev, /etc/shadow, a sparse file of 40 GiB', 'pre-upgrade', 'config check', 'status')
def everything(suite, command):
    with opened(suite, command) as world:
        file_make(world.path('home/oracle/sparse'))
        os.truncate(world.path('home/oracle/sparse'), 40 << 30)
        setting(world, 'PRESERVED_FILES', f'/home/oracle/sparse:/proc:/dev:/etc/shadow:{value(world, "PRESERVED_FILES")}')
        before = outside(world.root)
        run = world.run()
        return difference(before, outside(world.root)) or shown(run, LONGEST)


# --- what root takes away, or packs -----------------------------------------------------------------------------------

@story('a second name of the shadow file is called hsmbundle', 'bundle clean')
def clean_names(suite, command):
    with opened(suite, command) as world:
        os.link(world.path('etc/shadow'), world.path('tmp/hsmbundle'))
        os.link(world.path('var/lib/neighbour/inner/file'), world.path('var/tmp/hsmbundle.bak'))
        os.link(world.path('root/.ssh/id_ed25519'), world.path('tmp/.x.okv-luna-new'))
        before = outside(world.root, times=False)
        world.run()
        return difference(before, outside(world.root, times=False))


@story('the bundle in its place is a second name of the shadow file', 'bundle seal', 'bundle clean', 'bundle apply')
def bundle_second_name(suite, command):
    with opened(suite, command) as world:
        os.unlink(world.path(f'{HSM}/hsmbundle'))
        os.link(world.path('etc/shadow'), world.path(f'{HSM}/hsmbundle'))
        before = outside(world.root, times=False)
        world.run()
        # Sealed it goes to another node, where it becomes oracle's.
        if command == 'bundle seal' and os.path.exists(world.path('tmp/out')):
            return 'a file that oracle cannot read was sealed for other nodes, where he can'
        return difference(before, outside(world.root, times=False))
