/*
 * hsm/peer: makes one TLS handshake with a server of the HSM, as OKV's user, and reports how far it got.
 *
 * Promise: hsm_peer_serve runs in its own, freshly executed process (okv-luna-handshake).  It becomes OKV's user first,
 * reads the client's certificate, key and authorities as that user, and makes one connection, which uses the key only
 * for TLS's proof of possession.  It sends `struct hsm_peer` after each stage, so that whoever ends it at a deadline
 * knows the stage.  The server's certificate is verified, but a bad one does not end the handshake: the connection is
 * not used for anything.
 *
 * libssl is loaded on demand (fs/libcrypto.h), any release from 1.0.2 on; old protocols and short keys are allowed, so
 * that old servers can be diagnosed.
 */
#ifndef OKV_HSM_PEER_H
#define OKV_HSM_PEER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/fault.h"
#include "conf/pem.h"

enum hsm_peer_stage {
	HSM_PEER_RESOLVING,
	HSM_PEER_CONNECTING, /* to `address` */
	HSM_PEER_HANDSHAKE,  /* the port is open */
	/* How it ended. */
	HSM_PEER_UNRESOLVED,  /* `detail` */
	HSM_PEER_NO_ANSWER,   /* nothing came back from the address */
	HSM_PEER_REFUSED,     /* nobody listens */
	HSM_PEER_UNREACHABLE, /* no route, or rejected by a firewall: `errnum` */
	HSM_PEER_RESET,       /* the connection was reset during the handshake */
	HSM_PEER_CLOSED,      /* ... or closed */
	HSM_PEER_NOT_TLS,     /* what listens there does not speak TLS */
	HSM_PEER_ALERT,       /* the server ended it with `alert` */
	HSM_PEER_FAILED,      /* another failure of TLS: `detail` */
	HSM_PEER_AGREED,
	HSM_PEER_FAULT,      /* `fault`: it could not be tried */
	HSM_PEER_NO_LIBRARY, /* ... because libssl is missing */
};

enum hsm_peer_trust {
	HSM_PEER_UNTRUSTED,
	HSM_PEER_SAME,    /* the certificate itself is in the file of authorities */
	HSM_PEER_CHAINED, /* it is signed by one of them */
};

enum { HSM_PEER_TEXT_SIZE = 160, HSM_PEER_ADDRESS_SIZE = 64 };

/* One message of kind HSM_PEER_MESSAGE; strings end with NUL, which the parent checks. */
struct hsm_peer {
	uint32_t stage; /* enum hsm_peer_stage */
	uint32_t trust; /* enum hsm_peer_trust */
	int32_t errnum, alert;
	uint32_t presented;   /* 1: the client had a certificate and key to present; 0: none, or the key is encrypted */
	uint32_t certified;   /* 1: `certificate` is the server's */
	uint32_t clock_known; /* 1: the server sent its time */
	int64_t clock_ahead;  /* seconds that its clock is ahead of ours */
	struct pem_certificate certificate;
	char address[HSM_PEER_ADDRESS_SIZE];
	char protocol[16];
	char detail[HSM_PEER_TEXT_SIZE]; /* error text of the library */
	struct fault fault;
};
enum { HSM_PEER_MESSAGE = 1 };

/* Everything is borrowed; "" stands for none. */
struct hsm_peer_question {
	const char *user, *host, *port;
	const char *certificate, *key, *authorities; /* paths below the root */
	unsigned timeout_ms;
	bool web; /* it speaks HTTP, so it can be asked for its time */
};

/* Runs in a worker (proc/worker.h): sends its results as messages, and returns after the last. */
void hsm_peer_serve(const struct hsm_peer_question *question);

#endif
