#include "bundle/sealed.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/text.h"
#include "fs/libcrypto.h"
#include "fs/read.h"
#include "fs/sha256.h"
#include "proc/interrupt.h"
#include "proc/secret.h"

#ifndef MCL_ONFAULT
#define MCL_ONFAULT 4 /* Linux 4.4 */
#endif
#ifndef MADV_WIPEONFORK
#define MADV_WIPEONFORK 18 /* Linux 4.14 */
#endif

/* Far more than any bundle: OKV puts a few files with keys into it. */
static const uint64_t SEALED_MOST = UINT64_C(1) << 32;

/* --- passphrase and key ------------------------------------------------------------------------------------------- */

static int secret_new(struct report *report, struct bundle_secret **ret_secret, struct fault *f)
{
	/* Also locks what is allocated later, like libcrypto's copy of the key, but only pages in use. */
	const bool all = mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) == 0;

	/* From now on neither this process nor its children write a core dump. */
	const struct rlimit nothing = { .rlim_cur = 0, .rlim_max = 0 };
	(void)setrlimit(RLIMIT_CORE, &nothing);
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return fault_system(f, errno, "cannot forbid core dumps of this process");
	struct bundle_secret *secret =
		mmap(NULL, sizeof(*secret), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (secret == MAP_FAILED)
		return fault_memory(f);
	if (mlock(secret, offsetof(struct bundle_secret, block)) < 0 && !all)
		report_say(report, REPORT_WARNING, "cannot lock memory (%s): a key may be written to swap",
			   fault_errno_text(errno));
	/* On kernels without these, the lock and the core limit remain. */
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

static int passphrase_ask(const struct bundle_source *source, const char *what, struct report *report,
			  struct bundle_secret **ret_secret, struct fault *f)
{
	const struct proc_secret from = {
		.what = what,
		.file = source->file,
		.fd = source->fd,
		.advice = "--passphrase-file or --passphrase-fd",
	};
	BUNDLE_SECRET_AUTO *secret = NULL;

	if (secret_new(report, &secret, f) < 0 ||
	    proc_secret_read(&from, report, secret->passphrase, sizeof(secret->passphrase), &secret->length, f) < 0)
		return -1;
	*ret_secret = secret;
	secret = NULL;
	return 0;
}

bool bundle_source_is_terminal(const struct bundle_source *source)
{
	return source->file == NULL && source->fd < 0;
}

/* A typing error would show only when the bundle is opened on another node. */
static int passphrase_check(const struct bundle_source *source, struct report *report,
			    const struct bundle_secret *secret, struct fault *f)
{
	BUNDLE_SECRET_AUTO *again = NULL;

	if (secret->length < BUNDLE_PASSPHRASE_LEAST)
		return fault_refused(f, "the passphrase has fewer than %d bytes", BUNDLE_PASSPHRASE_LEAST);
	if (!bundle_source_is_terminal(source))
		return 0;
	if (passphrase_ask(source, "passphrase again", report, &again, f) < 0)
		return -1;
	if (again->length != secret->length || memcmp(again->passphrase, secret->passphrase, secret->length) != 0)
		return fault_refused(f, "the two passphrases differ");
	return 0;
}

int bundle_secret_read(const struct bundle_source *source, enum bundle_question question, struct report *report,
		       struct bundle_secret **ret_secret, struct fault *f)
{
	BUNDLE_SECRET_AUTO *secret = NULL;

	if (passphrase_ask(source, "passphrase", report, &secret, f) < 0 ||
	    (question == BUNDLE_ASK_TWICE && passphrase_check(source, report, secret, f) < 0))
		return -1;
	*ret_secret = secret;
	secret = NULL;
	return 0;
}

/*
 * --- libcrypto ---
 *
 * PBKDF2-HMAC-SHA-256 (NIST SP 800-132), AES-256-GCM (FIPS 197, SP 800-38D) and the random generator, through the EVP
 * interface that OpenSSL 1.1.1 and 3.x share; a system in FIPS mode then uses its validated module.  While opening, the
 * output of cipher_update can be trusted only once cipher_finish has returned 0; a wrong tag is FAULT_REFUSED.  Only
 * libcrypto's context has a copy of the key, and cipher_done wipes it.
 */

enum direction { OPEN, SEAL };

struct cipher {
	void *context;
	enum direction direction;
};

#define CIPHER_AUTO __attribute__((cleanup(cipher_done))) struct cipher

/* EVP_CTRL_AEAD_GET_TAG, EVP_CTRL_AEAD_SET_TAG, OPENSSL_VERSION: the same in every release. */
enum { GET_TAG = 0x10, SET_TAG = 0x11, VERSION = 0 };

/* The functions that we use, the same from 1.1.0 to 3.x, with the types of their manual pages. */
static struct {
	unsigned long (*get_error)(void);
	void (*clear_error)(void);
	const char *(*reason)(unsigned long);
	int (*random)(unsigned char *, int);
	int (*pbkdf2)(const char *, int, const unsigned char *, int, int, const void *, int, unsigned char *);
	const void *(*sha256)(void);
	const void *(*aes)(void);
	void *(*context_new)(void);
	void (*context_free)(void *);
	int (*control)(void *, int, int, void *);
	int (*init)(void *, const void *, void *, const unsigned char *, const unsigned char *, int);
	int (*update)(void *, unsigned char *, int *, const unsigned char *, int);
	int (*final)(void *, unsigned char *, int *);
	const char *(*version)(int);
} lib;

static int library_find(struct fault *f)
{
	static const struct {
		const char *name;
		void *function;
	} names[] = {
		{ "ERR_get_error", &lib.get_error },
		{ "ERR_clear_error", &lib.clear_error },
		{ "ERR_reason_error_string", &lib.reason },
		{ "RAND_bytes", &lib.random },
		{ "PKCS5_PBKDF2_HMAC", &lib.pbkdf2 },
		{ "EVP_sha256", &lib.sha256 },
		{ "EVP_aes_256_gcm", &lib.aes },
		{ "EVP_CIPHER_CTX_new", &lib.context_new },
		{ "EVP_CIPHER_CTX_free", &lib.context_free },
		{ "EVP_CIPHER_CTX_ctrl", &lib.control },
		{ "EVP_CipherInit_ex", &lib.init },
		{ "EVP_CipherUpdate", &lib.update },
		{ "EVP_CipherFinal_ex", &lib.final },
		{ "OpenSSL_version", &lib.version },
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (!fs_libcrypto_find(names[i].name, names[i].function))
			return fault_absent(
				f,
				"nothing can be sealed or opened without libcrypto (%s); install the package "
				"'openssl-libs'",
				names[i].name);
	return 0;
}

/* The fault for a failed call, with libcrypto's own reason: a FIPS module may have refused it. */
static int library_fault(struct fault *f, const char *act)
{
	const unsigned long code = lib.get_error();
	const char *reason = code != 0 ? lib.reason(code) : NULL;

	lib.clear_error();
	return fault_system(f, 0, "libcrypto cannot %s%s%s", act, reason != NULL ? ": " : "",
			    reason != NULL ? reason : "");
}

static int key_derive(const void *passphrase, size_t length, const unsigned char *salt, size_t salt_length,
		      unsigned iterations, unsigned char ret_key[BUNDLE_KEY_SIZE], struct fault *f)
{
	if (library_find(f) < 0)
		return -1;
	if (lib.pbkdf2(passphrase, (int)length, salt, (int)salt_length, (int)iterations, lib.sha256(), BUNDLE_KEY_SIZE,
		       ret_key) != 1)
		return library_fault(f, "derive a key by PBKDF2-HMAC-SHA-256");
	return 0;
}

int bundle_random(void *bytes, size_t length, struct fault *f)
{
	if (library_find(f) < 0)
		return -1;
	if (lib.random(bytes, (int)length) != 1)
		return library_fault(f, "give random bytes");
	return 0;
}

static void cipher_done(struct cipher *c)
{
	/* This wipes the key schedule too. */
	if (c->context != NULL)
		lib.context_free(c->context);
	c->context = NULL;
}

static int cipher_start(struct cipher *c, enum direction direction, const unsigned char key[BUNDLE_KEY_SIZE],
			const unsigned char nonce[BUNDLE_NONCE_SIZE], const void *aad, size_t aad_length,
			struct fault *f)
{
	int written;

	if (library_find(f) < 0)
		return -1;
	cipher_done(c);
	c->direction = direction;
	c->context = lib.context_new();
	if (c->context == NULL)
		return fault_memory(f);
	/* GCM's default nonce length is our 12 bytes. */
	if (lib.init(c->context, lib.aes(), NULL, key, nonce, direction == SEAL) != 1 ||
	    (aad_length > 0 && lib.update(c->context, NULL, &written, aad, (int)aad_length) != 1))
		return library_fault(f, "start AES-256-GCM");
	return 0;
}

/* Writes as many bytes as it reads; `in` and `out` are the same or do not overlap. */
static int cipher_update(struct cipher *c, const unsigned char *in, size_t length, unsigned char *out, struct fault *f)
{
	int written;

	if (lib.update(c->context, out, &written, in, (int)length) != 1 || written != (int)length)
		return library_fault(f, c->direction == SEAL ? "encrypt" : "decrypt");
	return 0;
}

/* Opening: checks the tag.  Sealing: returns it in `tag`. */
static int cipher_finish(struct cipher *c, unsigned char tag[BUNDLE_TAG_SIZE], struct fault *f)
{
	const bool opening = c->direction == OPEN;
	unsigned char nothing[BUNDLE_TAG_SIZE];
	int written;

	if (opening && lib.control(c->context, SET_TAG, BUNDLE_TAG_SIZE, tag) != 1)
		return library_fault(f, "take the tag");
	if (lib.final(c->context, nothing, &written) != 1) {
		if (!opening)
			return library_fault(f, "make the tag");
		lib.clear_error();
		return fault_refused(
			f, "the passphrase is wrong, or the file was changed; try again, or copy the file again");
	}
	if (!opening && lib.control(c->context, GET_TAG, BUNDLE_TAG_SIZE, tag) != 1)
		return library_fault(f, "make the tag");
	return 0;
}

/* "OpenSSL 3.0.2 15 Mar 2022", for -v. */
static const char *library_name(void)
{
	struct fault ignored = { 0 };

	return library_find(&ignored) == 0 ? lib.version(VERSION) : "without libcrypto";
}

/* --- the file --- */

/* Reads `length` bytes, fewer only at the end of the file. */
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
		return fault_refused(f, "'%s' is cut off: %ju of its bytes are missing; copy it again", SHOWN(name),
				     (uintmax_t)(announced - there));
	if (there > announced)
		return fault_refused(f, "'%s' has %ju bytes after its end; copy it again", SHOWN(name),
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

/* Derives the key and starts the cipher; wipes passphrase and key, also on failure. */
static int cipher_begin(struct bundle_sealed *sealed, struct bundle_secret *secret, enum direction direction,
			struct cipher *cipher, struct fault *f)
{
	const struct bundle_header *h = &sealed->header;
	const uint64_t began = now_us();

	int r = key_derive(secret->passphrase, secret->length, h->salt, h->salt_length, h->iterations, secret->key, f);
	sealed->derivation_us = now_us() - began;
	text_wipe(secret->passphrase, sizeof(secret->passphrase));
	secret->length = 0;
	if (r == 0)
		r = cipher_start(cipher, direction, secret->key, h->nonce, sealed->head, sealed->head_length, f);
	text_wipe(secret->key, sizeof(secret->key));
	return r;
}

/*
 * Reads at most `most` bytes of the input, fewer only at its end, computes the bundle's digest and, with a cipher,
 * writes the output.
 */
static int content_pass(const struct bundle_stream *s, uint64_t most, struct cipher *cipher, uint64_t *ret_size,
			unsigned char ret_digest[BUNDLE_DIGEST_SIZE], struct fault *f)
{
	const bool opening = cipher != NULL && cipher->direction == OPEN;
	const bool sealing = cipher != NULL && cipher->direction == SEAL;
	unsigned char *block = s->secret->block;
	SHA256_AUTO sha256 = SHA256_INIT;
	uint64_t size = 0;
	size_t want, got;

	if (fs_sha256_start(&sha256, f) < 0)
		return -1;
	do {
		want = most - size < BUNDLE_BLOCK_SIZE ? (size_t)(most - size) : BUNDLE_BLOCK_SIZE;
		if (block_read(s->in, s->in_name, block, want, &got, f) < 0 ||
		    (opening && cipher_update(cipher, block, got, block, f) < 0) ||
		    fs_sha256_add(&sha256, block, got, f) < 0 ||
		    (sealing && cipher_update(cipher, block, got, block, f) < 0) ||
		    (cipher != NULL && s->out >= 0 && fs_write(s->out, s->out_name, block, got, f) < 0))
			return -1;
		size += got;
	} while (got == want && size < most);
	*ret_size = size;
	return fs_sha256_finish(&sha256, ret_digest, f);
}

static int content_open(struct bundle_sealed *sealed, const struct bundle_stream *s, struct fault *f)
{
	CIPHER_AUTO cipher = { 0 };
	unsigned char tag[BUNDLE_TAG_SIZE + 1], digest[BUNDLE_DIGEST_SIZE];
	uint64_t size;
	size_t got = 0;

	if (cipher_begin(sealed, s->secret, OPEN, &cipher, f) < 0 ||
	    content_pass(s, sealed->header.size, &cipher, &size, digest, f) < 0 ||
	    block_read(s->in, s->in_name, tag, sizeof(tag), &got, f) < 0)
		return -1;
	if (got != BUNDLE_TAG_SIZE)
		return fault_refused(f, "'%s' became %s while it was read", SHOWN(s->in_name),
				     got < BUNDLE_TAG_SIZE ? "shorter" : "longer");
	if (cipher_finish(&cipher, tag, f) < 0)
		return fault_prefix(f, "'%s' is not accepted: ", SHOWN(s->in_name));
	if (memcmp(digest, sealed->header.sha256, sizeof(digest)) != 0)
		return fault_refused(
			f, "'%s' is sealed correctly, but its content does not have the SHA-256 in its header",
			SHOWN(s->in_name));
	return 0;
}

int bundle_sealed_open(struct bundle_sealed *sealed, const struct bundle_stream *stream, struct fault *f)
{
	const int r = content_open(sealed, stream, f);

	text_wipe(stream->secret->block, sizeof(stream->secret->block));
	return r;
}

/* The header comes first and contains the content's size and digest, so the content is read twice. */
static int header_make(struct bundle_sealed *sealed, const struct bundle_stream *s, struct fault *f)
{
	struct bundle_header *h = &sealed->header;
	TEXT_AUTO lines = { 0 };
	struct stat status;
	size_t length;

	/* Whoever can write to the directory could put a file there that takes hours to read. */
	if (fstat(s->in, &status) == 0 && (uint64_t)status.st_size > SEALED_MOST)
		return fault_refused(f, "'%s' has more than 4 GiB, so it is not an OKV bundle", SHOWN(s->in_name));
	if (content_pass(s, SEALED_MOST, NULL, &h->size, h->sha256, f) < 0)
		return -1;
	if (h->size == 0)
		return fault_refused(f,
				     "'%s' is empty; create it again on this node's console: HSM page, Create Bundle",
				     SHOWN(s->in_name));
	h->salt_length = 32;
	if (bundle_random(h->salt, h->salt_length, f) < 0 || bundle_random(h->nonce, sizeof(h->nonce), f) < 0 ||
	    bundle_header_print(h, &lines, f) < 0)
		return -1;
	/* A header that our own parser refuses, for its host name say, would seal what nobody can open. */
	if (bundle_header_parse(lines.bytes, lines.length, h, &length, f) < 0)
		return fault_prefix(f, "this node cannot seal: ");
	memcpy(sealed->head, lines.bytes, lines.length);
	sealed->head_length = lines.length;
	return 0;
}

static int content_seal(struct bundle_sealed *sealed, const struct bundle_stream *s, struct fault *f)
{
	CIPHER_AUTO cipher = { 0 };
	unsigned char tag[BUNDLE_TAG_SIZE], digest[BUNDLE_DIGEST_SIZE];
	uint64_t size;

	if (header_make(sealed, s, f) < 0 || cipher_begin(sealed, s->secret, SEAL, &cipher, f) < 0)
		return -1;
	if (lseek(s->in, 0, SEEK_SET) < 0)
		return fault_system(f, errno, "cannot read '%s' again", SHOWN(s->in_name));
	if (fs_write(s->out, s->out_name, sealed->head, sealed->head_length, f) < 0 ||
	    content_pass(s, sealed->header.size + 1, &cipher, &size, digest, f) < 0 ||
	    cipher_finish(&cipher, tag, f) < 0 || fs_write(s->out, s->out_name, tag, sizeof(tag), f) < 0)
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
				h->iterations, sealed->derivation_us / 1000, library_name());
	json_unsigned(j, "iterations", h->iterations);
	json_unsigned(j, "derivation_us", sealed->derivation_us);
}
