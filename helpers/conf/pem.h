/*
 * conf/pem: what a PEM file (RFC 7468) holds, and whether a certificate and a private key belong together.
 *
 * Promise: opens nothing, keeps nothing of a key but its public part, and needs no library of cryptography: an RSA
 * modulus (RFC 8017) or the point of an elliptic curve (RFC 5915) is found by walking DER, in a certificate (RFC 5280)
 * and in a key (PKCS #1, SEC 1, PKCS #8).  What cannot be compared so (an encrypted key, another algorithm) is said to
 * be unknown, never to fit.  Of a certificate the days of its validity and its name are read as well.
 */
#ifndef OKV_CONF_PEM_H
#define OKV_CONF_PEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/fault.h"
#include "base/text.h"

enum pem_kind {
	PEM_NONE, /* no "-----BEGIN" at all */
	PEM_CERTIFICATE,
	PEM_KEY,
	PEM_OTHER, /* a request, a revocation list, a public key, ... */
};

struct pem {
	bool held[PEM_OTHER + 1]; /* which kinds of block are in it */
	bool cut;                 /* a block without its end, or with bytes that are none of base64 */
	char other[64];           /* what the first block says it is, made printable */
	struct text public_part;  /* of the first certificate, or key; empty where it is unknown */
};

#define PEM_AUTO __attribute__((cleanup(pem_done))) struct pem
void pem_done(struct pem *p);
/* The public part is of the first block of `kind`.  Fails for lack of memory only. */
int pem_read(struct pem *ret_pem, const char *bytes, size_t length, enum pem_kind kind, struct fault *f);

/* The certificates of a file, one at each call, as DER: start from *at = 0.  What is cut or not base64 is skipped. */
bool pem_certificate_next(const char *bytes, size_t length, size_t *at, struct text *ret_der);

enum { PEM_NAME_SIZE = 128 };
struct pem_certificate {
	char name[PEM_NAME_SIZE]; /* the common name of its subject as it stands, cut where it is longer; may be "" */
	int64_t begins, ends;     /* seconds since 1970 */
};
/* false: the bytes are no certificate. */
bool pem_certificate_read(const void *der, size_t length, struct pem_certificate *ret_certificate);

#endif
