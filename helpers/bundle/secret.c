#include "bundle/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include "fs/handle.h"
#include "fs/read.h"
#include "proc/interrupt.h"

#ifndef MCL_ONFAULT
#define MCL_ONFAULT 4 /* Linux 4.4 */
#endif
#ifndef MADV_WIPEONFORK
#define MADV_WIPEONFORK 18 /* Linux 4.14 */
#endif

int bundle_secret_new(struct report *report, struct bundle_secret **ret_secret, struct fault *f)
{
	/* What comes later (libcrypto's copy of the key) is locked as it appears, and not a page more. */
	const bool all = mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) == 0;

	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return fault_system(f, errno, "cannot forbid dumps of this process");
	struct bundle_secret *secret =
		mmap(NULL, sizeof(*secret), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (secret == MAP_FAILED)
		return fault_memory(f);
	if (mlock(secret, sizeof(*secret)) < 0 && !all)
		report_say(report, REPORT_WARNING,
			   "the system locks no memory for us (%s): a key may reach the swap area",
			   fault_errno_text(errno));
	/* Kernels that do not know these still have the lock and the missing core limit. */
	(void)madvise(secret, sizeof(*secret), MADV_DONTDUMP);
	(void)madvise(secret, sizeof(*secret), MADV_WIPEONFORK);
	*ret_secret = secret;
	return 0;
}

void bundle_secret_free(struct bundle_secret **secret)
{
	if (*secret == NULL)
		return;
	text_wipe(*secret, sizeof(**secret));
	(void)munmap(*secret, sizeof(**secret));
	*secret = NULL;
}

/* Straight into the locked page: no buffer of ours or of stdio ever holds it. */
static int bytes_read(int fd, bool one_line, struct bundle_secret *secret, struct fault *f)
{
	const size_t size = sizeof(secret->passphrase);

	secret->length = 0;
	while (secret->length < size) {
		const ssize_t got = read(fd, secret->passphrase + secret->length, size - secret->length);
		if (proc_interrupt_check(f) < 0)
			return -1;
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return fault_system(f, errno, "cannot read the passphrase");
		if (got == 0)
			break;
		secret->length += (size_t)got;
		if (one_line && secret->passphrase[secret->length - 1] == '\n')
			break;
	}
	if (secret->length > 0 && secret->passphrase[secret->length - 1] == '\n')
		secret->length--;
	if (secret->length > BUNDLE_PASSPHRASE_MOST)
		return fault_refused(f, "the passphrase is longer than %d bytes", BUNDLE_PASSPHRASE_MOST);
	return 0;
}

static int file_read(const char *path, struct report *report, struct bundle_secret *secret, struct fault *f)
{
	FS_AUTO int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	struct stat status;

	if (fd < 0)
		return fault_errno(f, errno, "cannot open passphrase file '%s'", SHOWN(path));
	if (fstat(fd, &status) == 0 && S_ISREG(status.st_mode) && (status.st_mode & 077) != 0)
		report_say(report, REPORT_WARNING, "passphrase file '%s' is open to others (mode %04o); chmod 600 it",
			   SHOWN(path), (unsigned)(status.st_mode & 07777));
	return bytes_read(fd, false, secret, f);
}

static int line_ask(int tty, const char *question, struct bundle_secret *secret, struct fault *f)
{
	if (fs_write(tty, "/dev/tty", question, strlen(question), f) < 0)
		return -1;
	const int r = bytes_read(tty, true, secret, f);
	/* The person's own line feed was not echoed. */
	if (fs_write(tty, "/dev/tty", "\n", 1, f) < 0)
		return -1;
	return r;
}

static int terminal_ask(int tty, enum bundle_question question, struct bundle_secret *secret, struct report *report,
			struct fault *f)
{
	if (line_ask(tty, "Passphrase of the sealed bundle: ", secret, f) < 0)
		return -1;
	if (question == BUNDLE_ASK_ONCE)
		return 0;

	struct bundle_secret *again = NULL;
	if (bundle_secret_new(report, &again, f) < 0)
		return -1;
	int r = line_ask(tty, "Once more: ", again, f);
	if (r == 0 &&
	    (again->length != secret->length || memcmp(again->passphrase, secret->passphrase, secret->length) != 0))
		r = fault_refused(f, "the two passphrases differ");
	bundle_secret_free(&again);
	return r;
}

static int terminal_read(enum bundle_question question, struct report *report, struct bundle_secret *secret,
			 struct fault *f)
{
	FS_AUTO int tty = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
	struct termios before, silent;

	if (tty < 0 || tcgetattr(tty, &before) < 0)
		return fault_usage(f,
				   "no terminal to ask for the passphrase; use --passphrase-file or --passphrase-fd");
	silent = before;
	silent.c_lflag &= ~(tcflag_t)(ECHO | ECHOE | ECHOK | ECHONL);
	if (tcsetattr(tty, TCSAFLUSH, &silent) < 0)
		return fault_system(f, errno, "cannot switch the terminal's echo off");
	const int r = terminal_ask(tty, question, secret, report, f);
	/* On every path, an interrupt included: a terminal without echo is a trap for its user. */
	(void)tcsetattr(tty, TCSAFLUSH, &before);
	return r;
}

int bundle_passphrase_read(const struct bundle_source *source, enum bundle_question question, struct report *report,
			   struct bundle_secret *secret, struct fault *f)
{
	int r;

	if (source->file != NULL)
		r = file_read(source->file, report, secret, f);
	else if (source->fd >= 0)
		r = bytes_read(source->fd, false, secret, f);
	else
		r = terminal_read(question, report, secret, f);
	if (r < 0)
		return -1;
	if (secret->length == 0)
		return fault_refused(f, "the passphrase is empty");
	if (question == BUNDLE_ASK_TWICE && secret->length < BUNDLE_PASSPHRASE_LEAST)
		return fault_refused(f, "the passphrase has fewer than %d bytes", BUNDLE_PASSPHRASE_LEAST);
	return 0;
}
