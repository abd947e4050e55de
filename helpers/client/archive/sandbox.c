#include "client/archive/sandbox.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "proc/worker.h"

enum { DESCRIPTORS_MAX = 32, MEMORY_MAX_MB = 512, CPU_MAX_SECONDS = 3600 };

#if defined(__x86_64__)
#define NATIVE_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define NATIVE_ARCH AUDIT_ARCH_AARCH64
#else
#error "no list of system calls for this machine"
#endif

/* A sanitized process needs sigaltstack(2) before it ends, and more memory than the limit. */
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define __SANITIZE_ADDRESS__ 1
#endif
#endif
#ifdef __SANITIZE_ADDRESS__
#define FILTER_SANITIZED ALLOW(SYS_sigaltstack), ALLOW(SYS_sched_yield), ALLOW(SYS_mprotect), ALLOW(SYS_rt_sigprocmask),
#define MEMORY_LIMIT     RLIM_INFINITY
#else
#define FILTER_SANITIZED
#define MEMORY_LIMIT ((rlim_t)MEMORY_MAX_MB << 20)
#endif

#define LOAD(offset)  BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (offset))
#define RETURN(value) BPF_STMT(BPF_RET | BPF_K, (value))
#define ALLOW(call)   BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (call), 0, 1), RETURN(SECCOMP_RET_ALLOW)

/* Other calls fail with EPERM, so a C library that tries one can report an error. */
static bool filter_set(void)
{
	static struct sock_filter filter[] = {
		LOAD(offsetof(struct seccomp_data, arch)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, NATIVE_ARCH, 1, 0),
		RETURN(SECCOMP_RET_KILL),
		LOAD(offsetof(struct seccomp_data, nr)),
		ALLOW(SYS_read),
		ALLOW(SYS_write),
		ALLOW(SYS_pread64),
		ALLOW(SYS_lseek),
		ALLOW(SYS_close),
		ALLOW(SYS_fstat),
		ALLOW(SYS_newfstatat),
		ALLOW(SYS_mmap),
		ALLOW(SYS_munmap),
		ALLOW(SYS_mremap),
		ALLOW(SYS_brk),
		ALLOW(SYS_madvise),
		ALLOW(SYS_exit_group),
		ALLOW(SYS_exit),
		ALLOW(SYS_rt_sigreturn),
		ALLOW(SYS_futex),
		ALLOW(SYS_clock_gettime),
		ALLOW(SYS_getrandom),
		ALLOW(SYS_getpid),
		ALLOW(SYS_gettid),
		ALLOW(SYS_tgkill),
		FILTER_SANITIZED RETURN(SECCOMP_RET_ERRNO | EPERM),
	};
	const struct sock_fprog program = { .len = sizeof(filter) / sizeof(filter[0]), .filter = filter };

	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) == 0;
}

/* Keeps lower limits of the caller. */
static bool limit(int resource, rlim_t most)
{
	struct rlimit limits;

	if (getrlimit((__rlimit_resource_t)resource, &limits) < 0)
		return false;
	if (limits.rlim_max > most)
		limits.rlim_max = most;
	if (limits.rlim_cur > limits.rlim_max)
		limits.rlim_cur = limits.rlim_max;
	return setrlimit((__rlimit_resource_t)resource, &limits) == 0;
}

int sandbox_enter(uid_t id, struct fault *f)
{
	const struct proc_identity nobody = { .uid = id, .gid = id };

	if (proc_worker_become(&nobody, f) < 0)
		return fault_prefix(f, "cannot give up root for reading an archive: ");
	if (!limit(RLIMIT_CORE, 0) || !limit(RLIMIT_NPROC, 0) || !limit(RLIMIT_NOFILE, DESCRIPTORS_MAX) ||
	    !limit(RLIMIT_FSIZE, 0) || !limit(RLIMIT_CPU, CPU_MAX_SECONDS) || !limit(RLIMIT_AS, MEMORY_LIMIT))
		return fault_system(f, errno, "cannot limit the process that reads an archive");
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || !filter_set())
		return fault_system(f, errno, "cannot limit the system calls of the process that reads an archive");
	return 0;
}
