#include "bundle/sealed.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "bundle/cipher.h"
#include "fs/read.h"
#include "fs/sha256.h"
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

/*
 * At most `most` bytes of the input through the digest of the bundle and, with a cipher, to the output; fewer only at
 * its end.
 */
static int content_pass(const struct bundle_stream *s, uint64_t most, struct bundle_cipher *cipher, uint64_t *ret_size,
			unsigned char ret_digest[BUNDLE_DIGEST_SIZE], struct fault *f)
{
	const bool opening = cipher != NULL && cipher->direction == BUNDLE_OPEN;
	const bool sealing = cipher != NULL && cipher->direction == BUNDLE_SEAL;
	unsigned char *block = s->secret->block;
	SHA256_AUTO sha256 = SHA256_INIT;
	uint64_t size = 0;
	size_t want, got;

	if (fs_sha256_start(&sha256, f) < 0)
		return -1;
	do {
		want = most - size < BUNDLE_BLOCK_SIZE ? (size_t)(most - size) : BUNDLE_BLOCK_SIZE;
		if (block_read(s->in, s->in_name, block, want, &got, f) < 0 ||
		    (opening && bundle_cipher_update(cipher, block, got, block, f) < 0) ||
		    fs_sha256_add(&sha256, block, got, f) < 0 ||
		    (sealing && bundle_cipher_update(cipher, block, got, block, f) < 0) ||
		    (cipher != NULL && s->out >= 0 && fs_write(s->out, s->out_name, block, got, f) < 0))
			return -1;
		size += got;
	} while (got == want && size < most);
	*ret_size = size;
	return fs_sha256_finish(&sha256, ret_digest, f);
}

static int content_open(struct bundle_sealed *sealed, const struct bundle_stream *s, struct fault *f)
{
	BUNDLE_CIPHER_AUTO cipher = { 0 };
	unsigned char tag[BUNDLE_TAG_SIZE + 1], digest[BUNDLE_DIGEST_SIZE];
	uint64_t size;
	size_t got = 0;

	if (cipher_begin(sealed, s->secret, BUNDLE_OPEN, &cipher, f) < 0 ||
	    content_pass(s, sealed->header.size, &cipher, &size, digest, f) < 0 ||
	    block_read(s->in, s->in_name, tag, sizeof(tag), &got, f) < 0)
		return -1;
	if (got != BUNDLE_TAG_SIZE)
		return fault_refused(f, "'%s' became %s while it was read", SHOWN(s->in_name),
				     got < BUNDLE_TAG_SIZE ? "shorter" : "longer");
	if (bundle_cipher_finish(&cipher, tag, f) < 0)
		return fault_prefix(f, "'%s' is not accepted: ", SHOWN(s->in_name));
	if (memcmp(digest, sealed->header.sha256, sizeof(digest)) != 0)
		return fault_refused(f, "'%s' is sealed well, but its content has not the SHA-256 of its header",
				     SHOWN(s->in_name));
	return 0;
}

int bundle_sealed_open(struct bundle_sealed *sealed, const struct bundle_stream *stream, struct fault *f)
{
	const int r = content_open(sealed, stream, f);

	text_wipe(stream->secret->block, sizeof(stream->secret->block));
	return r;
}

/* The header comes before the content and names its size and digest, so all of it is read twice. */
static int header_make(struct bundle_sealed *sealed, const struct bundle_stream *s, struct fault *f)
{
	struct bundle_header *h = &sealed->header;
	TEXT_AUTO lines = { 0 };
	size_t length;

	if (content_pass(s, BUNDLE_SIZE_MOST + 1, NULL, &h->size, h->sha256, f) < 0)
		return -1;
	if (h->size == 0 || h->size > BUNDLE_SIZE_MOST)
		return fault_refused(f, h->size == 0 ? "'%s' is empty" : "'%s' is longer than 68719476704 bytes",
				     SHOWN(s->in_name));
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

static int content_seal(struct bundle_sealed *sealed, const struct bundle_stream *s, struct fault *f)
{
	BUNDLE_CIPHER_AUTO cipher = { 0 };
	unsigned char tag[BUNDLE_TAG_SIZE], digest[BUNDLE_DIGEST_SIZE];
	uint64_t size;

	if (header_make(sealed, s, f) < 0 || cipher_begin(sealed, s->secret, BUNDLE_SEAL, &cipher, f) < 0)
		return -1;
	if (lseek(s->in, 0, SEEK_SET) < 0)
		return fault_system(f, errno, "cannot read '%s' again", SHOWN(s->in_name));
	if (fs_write(s->out, s->out_name, sealed->head, sealed->head_length, f) < 0 ||
	    content_pass(s, sealed->header.size + 1, &cipher, &size, digest, f) < 0 ||
	    bundle_cipher_finish(&cipher, tag, f) < 0 || fs_write(s->out, s->out_name, tag, sizeof(tag), f) < 0)
		return -1;
	if (size != sealed->header.size || memcmp(digest, sealed->header.sha256, sizeof(digest)) != 0)
		return fault_incomplete(f, "'%s' was changed while it was sealed; run it again", SHOWN(s->in_name));
	return 0;
}

int bundle_sealed_make(struct bundle_sealed *sealed, const struct bundle_stream *stream, struct fault *f)
{
	const int r = content_seal(sealed, stream, f);

	text_wipe(stream->secret->block, sizeof(stream->secret->block));
	return r;
}

void bundle_sealed_show(const struct bundle_sealed *sealed, enum bundle_detail detail, struct text *lines,
			struct json *j)
{
	const struct bundle_header *h = &sealed->header;

	bundle_header_show(h, lines, j);
	if (detail == BUNDLE_FULL)
		text_add_format(lines,
				"  kdf      pbkdf2-hmac-sha256, %" PRIu32 " iterations in %" PRIu64 " ms\n"
				"  cipher   aes-256-gcm\n  library  %s\n",
				h->iterations, sealed->derivation_us / 1000, bundle_library());
	json_unsigned(j, "iterations", h->iterations);
	json_unsigned(j, "derivation_us", sealed->derivation_us);
}
