#include "bundle/hasher.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fs/sha256.h"
#include "fs/handle.h"

/*
 * Slots are told free half a ring at a time: each word wakes a process on the other processor, which takes as long as
 * digesting a good part of a slot.
 */
enum { RING_SIZE = BUNDLE_SLOT_SIZE * BUNDLE_RING_SLOTS, FREED_AT_ONCE = BUNDLE_RING_SLOTS / 2 };

/* What goes over the line: to the child a length, 0 for "the digest, please"; back these. */
struct answer {
	uint32_t freed; /* slots that may be filled again */
	uint32_t last;  /* of this stream: the digest is there */
	unsigned char digest[BUNDLE_DIGEST_SIZE];
};

static bool line_read(int fd, void *bytes, size_t length)
{
	unsigned char *at = bytes;

	while (length > 0) {
		const ssize_t got = recv(fd, at, length, MSG_WAITALL);
		if (got == 0 || (got < 0 && errno != EINTR))
			return false;
		if (got > 0) {
			at += got;
			length -= (size_t)got;
		}
	}
	return true;
}

/* The other side's end is an answer, not a signal. */
static bool line_write(int fd, const void *bytes, size_t length)
{
	ssize_t wrote;

	do
		wrote = send(fd, bytes, length, MSG_NOSIGNAL);
	while (wrote < 0 && errno == EINTR);
	return wrote == (ssize_t)length;
}

/* Returns when the parent closed its end, or when the library fails: then the parent sees our end closed. */
static void child_work(const unsigned char *ring, int line)
{
	struct fault f = { 0 };
	SHA256_AUTO digest = SHA256_INIT;
	struct answer answer = { .freed = 0 };
	uint32_t length;

	if (fs_sha256_start(&digest, &f) < 0)
		return;
	for (size_t slot = 0; line_read(line, &length, sizeof(length));) {
		answer.last = length == 0;
		if (length == 0) {
			if (fs_sha256_finish(&digest, answer.digest, &f) < 0 || fs_sha256_start(&digest, &f) < 0)
				return;
		} else {
			if (length > BUNDLE_SLOT_SIZE ||
			    fs_sha256_add(&digest, ring + slot * BUNDLE_SLOT_SIZE, length, &f) < 0)
				return;
			slot = (slot + 1) % BUNDLE_RING_SLOTS;
			if (++answer.freed < FREED_AT_ONCE)
				continue;
		}
		if (!line_write(line, &answer, sizeof(answer)))
			return;
		answer.freed = 0;
	}
}

static void child_start(const unsigned char *ring, int line, pid_t parent)
{
	/* A ^C is for the parent to answer; this one ends with it. */
	(void)signal(SIGINT, SIG_IGN);
	(void)signal(SIGTERM, SIG_IGN);
	(void)signal(SIGHUP, SIG_IGN);
	(void)signal(SIGQUIT, SIG_IGN);
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	if (getppid() == parent)
		child_work(ring, line);
	_exit(0);
}

int bundle_hasher_start(struct bundle_hasher *ret_hasher, struct fault *f)
{
	BUNDLE_HASHER_AUTO h = BUNDLE_HASHER_INIT;
	int ends[2];

	h.ring = mmap(NULL, RING_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (h.ring == MAP_FAILED) {
		h.ring = NULL;
		return fault_memory(f);
	}
	(void)madvise(h.ring, RING_SIZE, MADV_DONTDUMP);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
		return fault_system(f, errno, "cannot start the digest process");
	h.line = ends[0];
	FS_AUTO int child_line = ends[1];

	const pid_t parent = getpid(), pid = fork();
	if (pid < 0)
		return fault_system(f, errno, "cannot start the digest process");
	if (pid == 0) {
		fs_close(&h.line);
		child_start(h.ring, child_line, parent);
	}
	h.pid = pid;
	h.spare = BUNDLE_RING_SLOTS;
	*ret_hasher = h;
	h = (struct bundle_hasher)BUNDLE_HASHER_INIT;
	return 0;
}

static int child_lost(struct fault *f)
{
	return fault_system(f, 0, "the digest process ended too early");
}

static int answer_take(struct bundle_hasher *h, struct answer *ret_answer, struct fault *f)
{
	if (!line_read(h->line, ret_answer, sizeof(*ret_answer)))
		return child_lost(f);
	h->spare += ret_answer->freed;
	return 0;
}

int bundle_hasher_slot(struct bundle_hasher *h, unsigned char **ret_slot, struct fault *f)
{
	struct answer answer;

	if (h->spare == 0 && answer_take(h, &answer, f) < 0)
		return -1;
	*ret_slot = h->ring + h->next * BUNDLE_SLOT_SIZE;
	return 0;
}

int bundle_hasher_give(struct bundle_hasher *h, size_t length, struct fault *f)
{
	const uint32_t told = (uint32_t)length;

	if (!line_write(h->line, &told, sizeof(told)))
		return child_lost(f);
	h->spare--;
	h->next = (h->next + 1) % BUNDLE_RING_SLOTS;
	return 0;
}

int bundle_hasher_finish(struct bundle_hasher *h, unsigned char ret_digest[BUNDLE_DIGEST_SIZE], struct fault *f)
{
	const uint32_t please = 0;
	struct answer answer;

	if (!line_write(h->line, &please, sizeof(please)))
		return child_lost(f);
	do
		if (answer_take(h, &answer, f) < 0)
			return -1;
	while (!answer.last);
	memcpy(ret_digest, answer.digest, sizeof(answer.digest));
	return 0;
}

void bundle_hasher_done(struct bundle_hasher *h)
{
	int status;

	fs_close(&h->line);
	if (h->pid > 0)
		while (waitpid(h->pid, &status, 0) < 0 && errno == EINTR)
			;
	h->pid = 0;
	if (h->ring != NULL) {
		/* Plaintext passed through it. */
		text_wipe(h->ring, RING_SIZE);
		(void)munmap(h->ring, RING_SIZE);
	}
	h->ring = NULL;
}
