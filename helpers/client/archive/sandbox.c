#include "client/archive/sandbox.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "proc/child.h"

enum { DESCRIPTORS_MAX = 32, MEMORY_MAX_MB = 512, CPU_MAX_SECONDS = 3600 };

#if defined(__x86_64__)
#define NATIVE_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define NATIVE_ARCH AUDIT_ARCH_AARCH64
#endif

#define LOAD(offset)  BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (offset))
#define RETURN(value) BPF_STMT(BPF_RET | BPF_K, (value))
#define ALLOW(call)   BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (call), 0, 1), RETURN(SECCOMP_RET_ALLOW)

/* What is not listed fails with EPERM: a C library that wants something more can say so, and nothing happens. */
#define FILTER_HEAD \
	LOAD(offsetof(struct seccomp_data, arch)), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, NATIVE_ARCH, 1, 0), \
		RETURN(SECCOMP_RET_KILL), LOAD(offsetof(struct seccomp_data, nr))
#define FILTER_BOTH \
	ALLOW(SYS_read), ALLOW(SYS_write), ALLOW(SYS_pread64), ALLOW(SYS_close), ALLOW(SYS_fstat), \
		ALLOW(SYS_newfstatat), ALLOW(SYS_mmap), ALLOW(SYS_munmap), ALLOW(SYS_mremap), ALLOW(SYS_brk), \
		ALLOW(SYS_madvise), ALLOW(SYS_exit_group), ALLOW(SYS_exit), ALLOW(SYS_rt_sigreturn), ALLOW(SYS_futex), \
		ALLOW(SYS_clock_gettime), ALLOW(SYS_getrandom), ALLOW(SYS_getpid), ALLOW(SYS_gettid), \
		ALLOW(SYS_tgkill)
/* A sanitized process asks for its signal stack before it ends. */
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define __SANITIZE_ADDRESS__ 1
#endif
#endif
#ifdef __SANITIZE_ADDRESS__
#define FILTER_SANITIZED ALLOW(SYS_sigaltstack),
#else
#define FILTER_SANITIZED
#endif
#define FILTER_TAIL FILTER_SANITIZED RETURN(SECCOMP_RET_ERRNO | EPERM)

#ifdef NATIVE_ARCH
static bool filter_set(enum sandbox_trade trade)
{
	static struct sock_filter decode[] = { FILTER_HEAD, FILTER_BOTH, FILTER_TAIL };
	static struct sock_filter place[] = {
		FILTER_HEAD, FILTER_BOTH, ALLOW(SYS_openat), ALLOW(SYS_mkdirat), ALLOW(SYS_sync_file_range), FILTER_TAIL
	};
	const struct sock_fprog program = {
		.len = trade == SANDBOX_DECODE ? sizeof(decode) / sizeof(decode[0]) : sizeof(place) / sizeof(place[0]),
		.filter = trade == SANDBOX_DECODE ? decode : place,
	};

	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) == 0 || errno == EINVAL;
}
#else
static bool filter_set(enum sandbox_trade trade)
{
	(void)trade;
	return true;
}
#endif

static bool limit(int resource, uint64_t value)
{
	const struct rlimit limits = { .rlim_cur = (rlim_t)value, .rlim_max = (rlim_t)value };

	return setrlimit((__rlimit_resource_t)resource, &limits) == 0;
}

int sandbox_enter(const struct sandbox *sandbox, const int *keep, struct fault *f)
{
	const struct proc_identity nobody = { .uid = sandbox->uid, .gid = sandbox->gid };

	if (fchdir(sandbox->tree) < 0)
		return fault_system(f, errno, "cannot shut an unpacking process into the new tree");
	/* While there still is a /proc that tells which are open. */
	proc_child_close_others(keep);
	if (chroot(".") < 0 || chdir("/") < 0)
		return fault_system(f, errno, "cannot shut an unpacking process into the new tree");
	if (clearenv() != 0)
		return fault_memory(f);
	(void)signal(SIGPIPE, SIG_IGN);
	(void)umask(0);
	if (proc_identity_become(&nobody, f) < 0)
		return fault_prefix(f, "cannot give up root for unpacking: ");

	/* Changing ids has reset these two. */
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 || prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0 ||
	    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return fault_system(f, errno, "cannot shut off an unpacking process");
	bool limited = limit(RLIMIT_CORE, 0) && limit(RLIMIT_NPROC, 0) && limit(RLIMIT_NOFILE, DESCRIPTORS_MAX) &&
		       limit(RLIMIT_FSIZE, sandbox->trade == SANDBOX_PLACE ? sandbox->file_bytes : 0) &&
		       limit(RLIMIT_CPU, CPU_MAX_SECONDS);
#ifndef __SANITIZE_ADDRESS__
	limited = limited && limit(RLIMIT_AS, (uint64_t)MEMORY_MAX_MB << 20);
#endif
	if (!limited)
		return fault_system(f, errno, "cannot limit an unpacking process");
	if (!filter_set(sandbox->trade))
		return fault_system(f, errno, "cannot limit the system calls of an unpacking process");
	return 0;
}
