#!/bin/sh
# repair beside systemd-tmpfiles, mtree and the integration guide's commands.  Sides take turns; the ratio is that of
# the medians.  RUNS: how often each is run (default 15).  The work tree lies in TMPDIR.
set -u
exec python3 - "$BUILD/libexec/okv-luna-repair" "$PWD/tests/repair" "${RUNS:-15}" <<'END'
import os
import statistics
import subprocess
import sys
import tempfile
import time

binary, tools, runs = sys.argv[1], sys.argv[2], int(sys.argv[3])
sys.path.insert(0, tools)
sys.dont_write_bytecode = True
import appliance  # noqa: E402

# Lines that do not overlap, so that systemd-tmpfiles, which applies one line after the other, has nothing to do either.
POLICY = ['z /etc/Chrystoki.conf 0660 root hsmusers'] + [
    f'Z /{appliance.CLIENT}/{part} 0755 - -' for part in ('bin', 'lib', 'plugins')] + [
    f'Z /{appliance.CLIENT}/{part} 2770 root hsmusers' for part in ('cert', 'configData', 'data')]


def big(root):
    """A client with 20,000 entries more."""
    appliance.skeleton(root)
    for part, count in (('cert/client', 6000), ('configData/token/001', 4000), ('data', 10000)):
        for directory in range(count // 40):
            path = f'{root}/{appliance.CLIENT}/{part}/partition-{directory:04d}'
            os.mkdir(path)
            for number in range(39):
                os.close(os.open(f'{path}/certificate-{number:03d}.pem', os.O_CREAT | os.O_WRONLY, 0o644))
    with open(f'{root}/opt/okv-luna/share/policy/guide/post-upgrade.conf', 'w') as policy:
        policy.write('\n'.join(POLICY) + '\n')


def small(root):
    """What an installed client really has."""
    appliance.skeleton(root)
    for part, names in {'bin': ('vtl', 'lunacm', 'cmu', 'ckdemo', 'configurator', 'multitoken', 'salogin', 'pscp'),
                        'lib': ('libCryptoki2.so', 'libcklog2.so', 'libshim.so', 'libSoftToken.so'),
                        'plugins': ('libdpod.plugin',), 'cert/client': ('okv1.pem', 'okv1Key.pem'),
                        'cert/server': ('CAFile.pem', 'hsm1Cert.pem', 'hsm2Cert.pem'),
                        'configData/token/001': ('token.db',), 'data': ('lock', 'ha.log')}.items():
        for name in names:
            appliance.write(f'{root}/{appliance.CLIENT}/{part}/{name}', name)


def spoil(root):
    """Everything wrong."""
    for part in ('cert', 'configData', 'data'):
        for top, directories, files in os.walk(f'{root}/{appliance.CLIENT}/{part}'):
            for path, mode in [(top, 0o755)] + [(f'{top}/{name}', 0o644) for name in files]:
                os.chown(path, 0, 0)
                os.chmod(path, mode)
    os.chmod(f'{root}/etc/Chrystoki.conf', 0o644)
    os.sync()


def seconds(command, wanted):
    started = time.perf_counter()
    done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    if done.returncode not in wanted:
        sys.exit(f'{command} ended with {done.returncode}')
    return time.perf_counter() - started


def compare(what, ours, peer, target, before=lambda: None):
    times = ([], [])
    for turn in range(2 * runs):
        before()
        times[turn % 2].append(seconds((ours, peer)[turn % 2], (0,)))
    mine, theirs = (statistics.median(side) for side in times)
    ratio = mine / theirs
    print(f'{what}\t{mine * 1000:.1f} ms\t{theirs * 1000:.1f} ms\t{ratio:.2f}\t<= {target}\t'
          f'{"ok" if ratio <= target else "miss"}', flush=True)


with tempfile.TemporaryDirectory() as scratch:
    scratch = os.path.realpath(scratch)
    root, client = f'{scratch}/big', f'{scratch}/client'
    big(root)
    small(client)
    policy = f'{root}/opt/okv-luna/share/policy/guide/post-upgrade.conf'
    tmpfiles = ['systemd-tmpfiles', f'--root={root}', '--create', policy]
    spec = f'{scratch}/spec'
    tree = f'{root}/{appliance.CLIENT}'

    seconds([binary, '--root', root, '-q'], (0,))
    with open(spec, 'w') as out:
        subprocess.run(['mtree', '-c', '-k', 'type,uid,gid,mode', '-p', tree], stdout=out, check=True)
    check = [binary, '--root', root, '--check']
    compare('20,000 entries, nothing to do: check / systemd-tmpfiles', check, tmpfiles, 0.75)
    compare('20,000 entries, nothing to do: check / mtree', check, ['mtree', '-p', tree, '-f', spec], 1.1)
    compare('20,000 entries, everything wrong: repair / systemd-tmpfiles', [binary, '--root', root, '-q'], tmpfiles,
            0.95, lambda: spoil(root))
    compare('a client as installed, everything wrong: repair / guide', [binary, '--root', client, '-q'],
            [f'{tools}/guide', client, 'post-upgrade'], 1.0, lambda: spoil(client))

    spoil(root)
    # A process counts what it was before exec(2) too, so the one that starts it must be small.
    said = subprocess.run(['/usr/bin/time', '-f', '%M', binary, '--root', root, '-q'], stdout=subprocess.DEVNULL,
                          stderr=subprocess.PIPE, text=True, check=True).stderr
    memory = int(said) / 1024
    print(f'20,000 entries, everything wrong: peak memory\t{memory:.1f} MB\t-\t-\t<= 8 MB\t'
          f'{"ok" if memory <= 8 else "miss"}')
END
