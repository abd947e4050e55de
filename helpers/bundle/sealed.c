#include "bundle/sealed.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "bundle/cipher.h"
#include "fs/read.h"
#include "proc/interrupt.h"

/* As many bytes as asked for, fewer only at the end of the file. */
static int block_read(int fd, const char *name, void *bytes, size_t length, size_t *ret_got, struct fault *f)
{
	size_t got = 0;

	if (proc_interrupt_check(f) < 0)
		return -1;
	while (got < length) {
		const ssize_t more = read(fd, (char *)bytes + got, length - got);
		if (more < 0 && errno == EINTR)
			continue;
		if (more < 0)
			return fault_system(f, errno, "cannot read '%s'", SHOWN(name));
		if (more == 0)
			break;
		got += (size_t)more;
	}
	*ret_got = got;
	return 0;
}

int bundle_sealed_look(int fd, const char *name, struct bundle_sealed *ret_sealed, struct fault *f)
{
	struct bundle_sealed sealed;
	struct stat status;
	size_t got;

	memset(&sealed, 0, sizeof(sealed));
	if (fstat(fd, &status) < 0 || lseek(fd, 0, SEEK_SET) < 0)
		return fault_system(f, errno, "cannot look at '%s'", SHOWN(name));
	if (block_read(fd, name, sealed.head, sizeof(sealed.head), &got, f) < 0)
		return -1;
	if (bundle_header_parse(sealed.head, got, &sealed.header, &sealed.head_length, f) < 0)
		return fault_prefix(f, "'%s': ", SHOWN(name));

	const uint64_t there = (uint64_t)status.st_size;
	const uint64_t announced = sealed.head_length + sealed.header.size + BUNDLE_TAG_SIZE;
	if (there < announced)
		return fault_refused(f, "'%s' is cut off: %ju of its bytes are missing", SHOWN(name),
				     (uintmax_t)(announced - there));
	if (there > announced)
		return fault_refused(f, "'%s' has %ju bytes after its end", SHOWN(name),
				     (uintmax_t)(there - announced));
	if (lseek(fd, (off_t)sealed.head_length, SEEK_SET) < 0)
		return fault_system(f, errno, "cannot read '%s'", SHOWN(name));
	*ret_sealed = sealed;
	return 0;
}

static uint64_t now_us(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* From passphrase and header to a running cipher; no secret of ours is left afterwards, whatever comes of it. */
static int cipher_begin(struct bundle_sealed *sealed, struct bundle_secret *secret, enum bundle_direction direction,
			struct bundle_cipher *cipher, struct fault *f)
{
	const struct bundle_header *h = &sealed->header;
	const uint64_t began = now_us();

	int r = bundle_key_derive(secret->passphrase, secret->length, h->salt, h->salt_length, h->iterations,
				  secret->key, f);
	sealed->derivation_us = now_us() - began;
	text_wipe(secret->passphrase, sizeof(secret->passphrase));
	secret->length = 0;
	if (r == 0)
		r = bundle_cipher_start(cipher, direction, secret->key, h->nonce, sealed->head, sealed->head_length, f);
	text_wipe(secret->key, sizeof(secret->key));
	return r;
}

static int cut_off(const char *name, struct fault *f)
{
	return fault_refused(f, "'%s' became shorter while it was read", SHOWN(name));
}

int bundle_sealed_open(struct bundle_sealed *sealed, int fd, const char *name, struct bundle_secret *secret,
		       struct bundle_hasher *hasher, int sink, struct fault *f)
{
	BUNDLE_CIPHER_AUTO cipher = { 0 };
	unsigned char tag[BUNDLE_TAG_SIZE + 1], digest[BUNDLE_DIGEST_SIZE], *slot;
	size_t got;

	if (cipher_begin(sealed, secret, BUNDLE_OPEN, &cipher, f) < 0)
		return -1;
	for (uint64_t left = sealed->header.size; left > 0; left -= got) {
		const size_t want = left < BUNDLE_SLOT_SIZE ? (size_t)left : BUNDLE_SLOT_SIZE;
		if (bundle_hasher_slot(hasher, &slot, f) < 0 || block_read(fd, name, slot, want, &got, f) < 0)
			return -1;
		if (got < want)
			return cut_off(name, f);
		if (bundle_cipher_update(&cipher, slot, got, slot, f) < 0 || bundle_hasher_give(hasher, got, f) < 0)
			return -1;
		/* Digested on the other side at the same time. */
		if (sink >= 0 && fs_write(sink, "the stage", slot, got, f) < 0)
			return -1;
	}
	if (block_read(fd, name, tag, sizeof(tag), &got, f) < 0)
		return -1;
	if (got < BUNDLE_TAG_SIZE)
		return cut_off(name, f);
	if (got > BUNDLE_TAG_SIZE)
		return fault_refused(f, "'%s' became longer while it was read", SHOWN(name));
	if (bundle_cipher_open_finish(&cipher, tag, f) < 0)
		return fault_prefix(f, "'%s' is not accepted: ", SHOWN(name));
	if (bundle_hasher_finish(hasher, digest, f) < 0)
		return -1;
	if (memcmp(digest, sealed->header.sha256, sizeof(digest)) != 0)
		return fault_refused(f, "'%s' is sealed well, but its content has not the SHA-256 of its header",
				     SHOWN(name));
	return 0;
}

/* First pass of sealing: the header comes before the content and names its digest. */
static int content_digest(int fd, const char *name, struct bundle_hasher *hasher, uint64_t *ret_size,
			  unsigned char ret_digest[BUNDLE_DIGEST_SIZE], struct fault *f)
{
	unsigned char *slot;
	uint64_t size = 0;
	size_t got;

	do {
		if (bundle_hasher_slot(hasher, &slot, f) < 0 ||
		    block_read(fd, name, slot, BUNDLE_SLOT_SIZE, &got, f) < 0 ||
		    (got > 0 && bundle_hasher_give(hasher, got, f) < 0))
			return -1;
		size += got;
		if (size > BUNDLE_SIZE_MOST)
			return fault_refused(f, "'%s' is longer than %ju bytes", SHOWN(name),
					     (uintmax_t)BUNDLE_SIZE_MOST);
	} while (got == BUNDLE_SLOT_SIZE);
	if (size == 0)
		return fault_refused(f, "'%s' is empty", SHOWN(name));
	*ret_size = size;
	return bundle_hasher_finish(hasher, ret_digest, f);
}

static int header_make(struct bundle_sealed *sealed, struct fault *f)
{
	struct bundle_header *h = &sealed->header;
	TEXT_AUTO lines = { 0 };
	size_t length;

	h->salt_length = 32;
	if (bundle_random(h->salt, h->salt_length, f) < 0 || bundle_random(h->nonce, sizeof(h->nonce), f) < 0 ||
	    bundle_header_print(h, &lines, f) < 0)
		return -1;
	/* What is sealed can be opened: our own reader judges it, an odd host name for instance. */
	if (bundle_header_parse(lines.bytes, lines.length, h, &length, f) < 0)
		return fault_prefix(f, "this node cannot seal: ");
	memcpy(sealed->head, lines.bytes, lines.length);
	sealed->head_length = lines.length;
	return 0;
}

static int content_seal(const struct bundle_sealed *sealed, int fd, const char *name, struct bundle_cipher *cipher,
			struct bundle_hasher *hasher, unsigned char *block, int out, const char *out_name,
			struct fault *f)
{
	unsigned char tag[BUNDLE_TAG_SIZE], digest[BUNDLE_DIGEST_SIZE], *slot;
	uint64_t size = 0;
	size_t got;

	if (fs_write(out, out_name, sealed->head, sealed->head_length, f) < 0)
		return -1;
	do {
		if (bundle_hasher_slot(hasher, &slot, f) < 0 ||
		    block_read(fd, name, slot, BUNDLE_SLOT_SIZE, &got, f) < 0)
			return -1;
		size += got;
		if (size > sealed->header.size)
			break;
		if (got > 0 &&
		    (bundle_hasher_give(hasher, got, f) < 0 || bundle_cipher_update(cipher, slot, got, block, f) < 0 ||
		     fs_write(out, out_name, block, got, f) < 0))
			return -1;
	} while (got == BUNDLE_SLOT_SIZE);
	if (bundle_cipher_seal_finish(cipher, tag, f) < 0 || fs_write(out, out_name, tag, sizeof(tag), f) < 0 ||
	    bundle_hasher_finish(hasher, digest, f) < 0)
		return -1;
	if (size != sealed->header.size || memcmp(digest, sealed->header.sha256, sizeof(digest)) != 0)
		return fault_incomplete(f, "'%s' was changed while it was sealed; run it again", SHOWN(name));
	return 0;
}

int bundle_sealed_make(struct bundle_sealed *sealed, int fd, const char *name, struct bundle_secret *secret,
		       struct bundle_hasher *hasher, int out, const char *out_name, struct fault *f)
{
	BUNDLE_CIPHER_AUTO cipher = { 0 };

	if (content_digest(fd, name, hasher, &sealed->header.size, sealed->header.sha256, f) < 0 ||
	    header_make(sealed, f) < 0 || cipher_begin(sealed, secret, BUNDLE_SEAL, &cipher, f) < 0)
		return -1;
	if (lseek(fd, 0, SEEK_SET) < 0)
		return fault_system(f, errno, "cannot read '%s' again", SHOWN(name));
	unsigned char *block = malloc(BUNDLE_SLOT_SIZE);
	if (block == NULL)
		return fault_memory(f);
	const int r = content_seal(sealed, fd, name, &cipher, hasher, block, out, out_name, f);
	free(block);
	return r;
}
