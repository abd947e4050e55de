#!/usr/bin/ruby
# frozen_string_literal: true

# upgrade.rb: plays Oracle Key Vault's own upgrade.
#
# Promise: with --confirm it moves this server to the new OS whose empty root is
# mounted at /images/os.  That root keeps its own account files and rpm
# database; it gets back what PRESERVED_FILES of okv_hsm.conf lists, owner and
# mode by number, and OKV's own hsm directory, re-owned by name; nothing else.
# Then okv_hsm_mid_upgrade runs in it.  A hook that ends with neither of the two
# agreed statuses ends the upgrade.  How the real one treats a missing path, the
# hook's surroundings and a failure is not documented: what is done here is the
# strict reading, so that whoever passes here asked for no favours.
#
# Options:
#   --confirm                   do it
#   --hook-shell bash|sh        the shell that runs the hook (bash)
#   --hook-env HOW              set: hand the four variables over (this is the default); unset: leave
#                               them to the hook's own header; empty: hand over two empty
#                               numbers; none: no variable at all, not even PATH
#   --hook-cwd gone             the hook's working directory is removed beneath it
#   --hook-runs N               so many times, one after the other (1)
#   --hook-early                before anything of PRESERVED_FILES is back
#   --fresh-generic             OKV's own directory without generic/: that is the release's
#   --before-hook COMMAND       a shell command, with the new root as $1, just before the hook
#   --same-os                   no new root: the hook runs on this one
#   --stock-generic             with --same-os: OKV's stock generic files are put
#                               back first, as a release that replaces them would

require 'etc'
require 'fileutils'
require 'find'
require 'optparse'

NEW_ROOT = '/images/os'
HSM = '/usr/local/okv/hsm'
GENERIC = "#{HSM}/generic"
STOCK = '/usr/share/okv-appliance/stock'
LINE_LIMIT = 4096
RELEASE = '21.99.0.0.0'

# Numbers that nothing gives by accident, and others than the hook's own header
# has, so that a test sees whose it got.
HANDED_OVER = { 'DBFW_PM_CHANGED' => 71, 'DBFW_PM_NO_CHANGE_REQUIRED' => 73 }.freeze
BY_HEADER = { 'DBFW_PM_CHANGED' => 64, 'DBFW_PM_NO_CHANGE_REQUIRED' => 65 }.freeze

def say(text)
  puts "upgrade.rb: #{text}"
  $stdout.flush
end

def give_up(text)
  warn "upgrade.rb: #{text}"
  exit 1
end

# NAME="VALUE" lines shorter than the limit; others are no settings.
def setting(file, name)
  found = nil
  File.foreach(file, chomp: true) do |line|
    next if line.bytesize >= LINE_LIMIT

    match = /\A#{Regexp.escape(name)}="(.*)"\z/.match(line)
    found = match[1] if match
  end
  found
end

# Names by number, from an account file: [name, password, number, ...].
def names(file)
  File.readlines(file, chomp: true).map { |line| line.split(':') }.to_h { |f| [f[2].to_i, f[0]] }
end

def copy(path)
  system('cp', '-a', '--parents', '--', path.delete_prefix('/'), NEW_ROOT, chdir: '/') ||
    say("WARNING: not all of '#{path}' could be copied")
end

def restore_preserved
  list = setting("#{GENERIC}/okv_hsm.conf", 'PRESERVED_FILES').to_s.split(':')
  list.each do |path|
    if !path.start_with?('/') || path.match?(/[*?\[]/)
      say("WARNING: '#{path}' in PRESERVED_FILES is not a full path; left out")
    elsif !File.symlink?(path) && !File.exist?(path)
      say("WARNING: '#{path}' in PRESERVED_FILES is not there; left out")
    else
      copy(path)
      say("preserved #{path}")
    end
  end
  say('nothing is listed in PRESERVED_FILES') if list.empty?
end

# OKV carries its own configuration over; its programs come with the release.
def restore_okv(fresh)
  old_users = names('/etc/passwd')
  old_groups = names('/etc/group')
  new_users = names("#{NEW_ROOT}/etc/passwd").invert
  new_groups = names("#{NEW_ROOT}/etc/group").invert
  Dir.children(HSM).sort.each do |child|
    next if child == 'bin' || (fresh && child == 'generic')

    copy("#{HSM}/#{child}")
    Find.find("#{NEW_ROOT}#{HSM}/#{child}") do |path|
      st = File.lstat(path)
      uid = new_users.fetch(old_users[st.uid], st.uid)
      gid = new_groups.fetch(old_groups[st.gid], st.gid)
      next if [uid, gid] == [st.uid, st.gid]

      File.lchown(uid, gid, path)
      File.chmod(st.mode & 0o7777, path) unless st.symlink?
    end
  end
  say("carried over #{HSM}")
end

# The hook in a chroot of the new root; its mounts live in a namespace of their
# own and go with it.
def hook_command(root, options)
  hook = ["/bin/#{options[:shell]}", "#{GENERIC}/okv_hsm_mid_upgrade"]
  if options[:cwd]
    gone = 'mkdir /tmp/gone && cd /tmp/gone && rmdir /tmp/gone && exec "$@"'
    hook = ['/bin/sh', '-c', gone, 'sh', *hook]
  end
  clean = options[:env] == 'none' ? '/usr/bin/env -i' : ''
  return [*clean.split, *hook] if root == '/'

  script = <<~SH
    set -e
    mount --bind /proc "$0/proc"
    mount --rbind /dev "$0/dev"
    mount -t tmpfs -o mode=0755 tmpfs "$0/run"
    if [ -S /run/systemd/journal/dev-log ]; then
        mkdir -p -m 0755 "$0/run/systemd/journal"
        mount --bind /run/systemd/journal "$0/run/systemd/journal"
    fi
    exec #{clean} /usr/sbin/chroot "$0" "$@"
  SH
  ['/usr/bin/unshare', '--mount', '--propagation', 'private', '/bin/sh', '-c', script, root, *hook]
end

def run_hook(root, options)
  env = options[:env]
  values = HANDED_OVER.merge('LOGTAG' => 'okv-upgrade', 'LOGDEBUG' => 'user.debug')
  variables = env == 'none' ? {} : { 'PATH' => '/usr/sbin:/usr/bin:/sbin:/bin' }
  variables.merge!(values.transform_values(&:to_s)) if env == 'set'
  variables.merge!(values.merge(HANDED_OVER.transform_values { '' })) if env == 'empty'
  started = Process.clock_gettime(Process::CLOCK_MONOTONIC)
  system(variables, *hook_command(root, options), unsetenv_others: true, in: '/dev/null', chdir: '/')
  seconds = Process.clock_gettime(Process::CLOCK_MONOTONIC) - started
  [$?.exitstatus || (128 + $?.termsig), seconds]
end

def judge_hook(status, seconds, env)
  agreed = { 'set' => HANDED_OVER, 'unset' => BY_HEADER, 'none' => BY_HEADER }.fetch(env, {})
  word = agreed.key(status)
  # Without numbers there is nothing to compare; the last status has to be 0.
  word = 'no number was given' if env == 'empty' && status.zero?
  say(format('okv_hsm_mid_upgrade ended with %<status>d (%<word>s) after %<seconds>.1f s',
             status: status, word: word || 'not agreed', seconds: seconds))
  system('logger', '-t', 'okv-upgrade', '-p', 'user.info', "okv_hsm_mid_upgrade: status #{status}")
  give_up("upgrade ended: okv_hsm_mid_upgrade must end with one of #{agreed.values}") unless word
end

options = { shell: 'bash', env: 'set', runs: 1 }
OptionParser.new do |o|
  o.on('--confirm') { options[:confirm] = true }
  o.on('--hook-shell SHELL', %w[bash sh]) { |v| options[:shell] = v }
  o.on('--hook-env HOW', %w[set unset empty none]) { |v| options[:env] = v }
  o.on('--hook-cwd WHERE', %w[gone]) { |v| options[:cwd] = v }
  o.on('--hook-runs N', Integer) { |v| options[:runs] = v }
  o.on('--hook-early') { options[:early] = true }
  o.on('--fresh-generic') { options[:fresh] = true }
  o.on('--before-hook COMMAND') { |v| options[:before] = v }
  o.on('--same-os') { options[:same] = true }
  o.on('--stock-generic') { options[:stock] = true }
end.parse!

give_up('this upgrades Oracle Key Vault; say so with --confirm') unless options[:confirm]
give_up('must be root') unless Process.uid.zero?

root = options[:same] ? '/' : NEW_ROOT
unless File.file?("#{root}/etc/os-release") && File.executable?("#{root}/bin/sh")
  give_up("no new OS is mounted at #{NEW_ROOT}")
end

# Whatever is made without a mode of its own takes this; a server whose files
# only root can read does not serve.
say(format('WARNING: started with umask %04o, not an administrator\'s 0022', File.umask)) unless File.umask == 0o022

if options[:same]
  say('upgrading in place, same OS')
  if options[:stock]
    Dir.children(STOCK).sort.each { |f| FileUtils.cp("#{STOCK}/#{f}", "#{GENERIC}/#{f}") }
    say('put the stock generic files back')
  end
else
  say("moving to #{File.read("#{root}/etc/os-release")[/^PRETTY_NAME="(.*)"$/, 1]}")
  restore_preserved unless options[:early]
  restore_okv(options[:fresh])
end

give_up("'#{options[:before]}' failed") unless options[:before].nil? ||
                                               system('/bin/sh', '-c', options[:before], 'before-hook', root)
options[:runs].times { judge_hook(*run_hook(root, options), options[:env]) }
restore_preserved if options[:early]
File.write("#{root}/etc/okv-release", "Oracle Key Vault Server #{RELEASE}\n")
say("done: Oracle Key Vault Server #{RELEASE}; restart to boot it")
