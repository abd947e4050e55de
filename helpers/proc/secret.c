#include "proc/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <termios.h>
#include <unistd.h>

#include "base/text.h"
#include "fs/read.h"
#include "proc/interrupt.h"

/* The caller's memory. */
struct buffer {
	char *bytes;
	size_t size, length;
};

static int bytes_read(const struct proc_secret *secret, int fd, bool one_line, struct buffer *buffer, struct fault *f)
{
	char extra;

	for (;;) {
		char *at = buffer->length < buffer->size ? buffer->bytes + buffer->length : &extra;
		const size_t room = buffer->length < buffer->size ? buffer->size - buffer->length : 1;
		if (proc_interrupt_await(fd, f) < 0)
			return -1;
		const ssize_t got = read(fd, at, room);
		if (got < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (got < 0)
			return fault_system(f, errno, "cannot read the %s", secret->what);
		if (got == 0)
			break;
		if (at == &extra) {
			if (extra == '\n')
				break; /* the line feed after a secret of exactly `size` bytes */
			return fault_refused(f, "the %s is longer than %zu bytes", secret->what, buffer->size);
		}
		buffer->length += (size_t)got;
		if (one_line && buffer->bytes[buffer->length - 1] == '\n')
			break;
	}
	if (buffer->length > 0 && buffer->bytes[buffer->length - 1] == '\n')
		buffer->length--;
	return 0;
}

/* A regular file, or the anonymous pipe of a shell's <(...), whose writer already exists. */
static bool is_ready(int fd, const struct stat *status)
{
	enum { PIPEFS = 0x50495045 };
	struct statfs system;

	return S_ISREG(status->st_mode) ||
	       (S_ISFIFO(status->st_mode) && fstatfs(fd, &system) == 0 && system.f_type == PIPEFS);
}

static int file_read(const struct proc_secret *secret, struct report *report, struct buffer *buffer, struct fault *f)
{
	/* O_NONBLOCK, because open(2) would wait for a FIFO's writer where no interrupt ends it. */
	FS_AUTO int fd = open(secret->file, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct stat status;

	if (fd < 0)
		return fault_errno(f, errno, "cannot open the %s file '%s'", secret->what, SHOWN(secret->file));
	if (fstat(fd, &status) < 0)
		return fault_system(f, errno, "cannot look at the %s file '%s'", secret->what, SHOWN(secret->file));
	if (secret->plain && !is_ready(fd, &status))
		return fault_refused(f, "the %s file '%s' is not a regular file; use one, or standard input: %s -",
				     secret->what, SHOWN(secret->file), secret->advice);
	if (S_ISREG(status.st_mode) && (status.st_mode & 077) != 0)
		report_say(report, REPORT_WARNING, "the %s file '%s' is open to others (mode %04o); fix: chmod 600 %s",
			   secret->what, SHOWN(secret->file), (unsigned)(status.st_mode & 07777), TYPED(secret->file));
	return bytes_read(secret, fd, false, buffer, f);
}

static int terminal_read(const struct proc_secret *secret, struct buffer *buffer, struct fault *f)
{
	FS_AUTO int tty = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
	struct termios before, silent;
	TEXT_AUTO question = { 0 };

	if (tty < 0 || tcgetattr(tty, &before) < 0)
		return fault_usage(f, "there is no terminal to ask for the %s; use %s", secret->what, secret->advice);
	text_add_format(&question, "%s: ", secret->what);
	silent = before;
	silent.c_lflag &= ~(tcflag_t)(ECHO | ECHOE | ECHOK | ECHONL);
	if (text_check(&question, f) < 0)
		return -1;
	if (tcsetattr(tty, TCSAFLUSH, &silent) < 0)
		return fault_system(f, errno, "cannot switch the terminal's echo off");
	int r = fs_write(tty, "/dev/tty", text_string(&question), question.length, f);
	if (r == 0)
		r = bytes_read(secret, tty, true, buffer, f);
	/* Always restore the echo. */
	(void)tcsetattr(tty, TCSAFLUSH, &before);
	/* The LF that the user typed was not echoed. */
	struct fault ignored = { 0 };
	(void)fs_write(tty, "/dev/tty", "\n", 1, &ignored);
	return r;
}

/* False for the CR of a Windows file, a second line or a byte order mark: nobody sets a PIN with these. */
static bool is_plain(const char *bytes, size_t length)
{
	static const char bom[] = "\xef\xbb\xbf";
	bool plain = length < strlen(bom) || memcmp(bytes, bom, strlen(bom)) != 0;

	for (size_t i = 0; i < length; i++)
		plain = plain && (unsigned char)bytes[i] >= ' ' && bytes[i] != 0x7f;
	return plain;
}

int proc_secret_read(const struct proc_secret *secret, struct report *report, char *ret_bytes, size_t size,
		     size_t *ret_length, struct fault *f)
{
	struct buffer buffer = { .bytes = ret_bytes, .size = size };
	int r;

	if (secret->file != NULL && strcmp(secret->file, "-") == 0)
		r = bytes_read(secret, STDIN_FILENO, false, &buffer, f);
	else if (secret->file != NULL)
		r = file_read(secret, report, &buffer, f);
	else if (secret->fd >= 0)
		r = bytes_read(secret, secret->fd, false, &buffer, f);
	else
		r = terminal_read(secret, &buffer, f);
	if (r == 0 && buffer.length == 0)
		r = fault_refused(f, "the %s is empty", secret->what);
	if (r == 0 && secret->plain && !is_plain(buffer.bytes, buffer.length))
		r = fault_refused(
			f,
			"the %s has a control character (CR LF from Windows, a second line, a byte order mark), "
			"so it was not tried; it has to stand alone on one line",
			secret->what);
	if (r < 0) {
		text_wipe(ret_bytes, size);
		return -1;
	}
	*ret_length = buffer.length;
	return 0;
}
