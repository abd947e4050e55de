/*
 * conf/pem: what a PEM file (RFC 7468) contains, and the public part of a certificate or private key.
 *
 * Promise: opens nothing, keeps only the public part of a key, and needs no crypto library.  It finds an RSA modulus
 * (RFC 8017) or an elliptic curve point (RFC 5915) by walking the DER of a certificate (RFC 5280) or key (PKCS #1, SEC
 * 1, PKCS #8).  If that is not possible (an encrypted key, another algorithm) the public part is unknown, so it is
 * never taken for a match.  It also reads a certificate's validity and name.
 */
#ifndef OKV_CONF_PEM_H
#define OKV_CONF_PEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/fault.h"
#include "base/text.h"

enum pem_kind {
	PEM_NONE, /* no "-----BEGIN" in the file */
	PEM_CERTIFICATE,
	PEM_KEY,
	PEM_OTHER, /* a request, a revocation list, a public key, ... */
};

struct pem {
	bool held[PEM_OTHER + 1]; /* which kinds of block the file has */
	bool cut;                 /* a block without an end, or not base64 */
	char other[64];           /* label of the first block, printable */
	struct text public_part;  /* of the first certificate or key; empty if unknown */
};

#define PEM_AUTO __attribute__((cleanup(pem_done))) struct pem
void pem_done(struct pem *p);
/* The public part is that of the first block of `kind`.  Fails only if memory runs out. */
int pem_read(struct pem *ret_pem, const char *bytes, size_t length, enum pem_kind kind, struct fault *f);

/* Iterates over certificates, as DER: start with *at = 0.  Truncated blocks and invalid base64 are skipped. */
bool pem_certificate_next(const char *bytes, size_t length, size_t *at, struct text *ret_der);

enum { PEM_NAME_SIZE = 128 };
struct pem_certificate {
	char name[PEM_NAME_SIZE]; /* common name of the subject, not made printable, truncated; may be "" */
	int64_t begins, ends;     /* seconds since 1970 */
};
/* False if the bytes are not a certificate. */
bool pem_certificate_read(const void *der, size_t length, struct pem_certificate *ret_certificate);

#endif
