/*
 * hsm/peer: one TLS handshake with a server of the HSM, as OKV's user, and how far it came.
 *
 * Promise: hsm_peer_serve works in a process of its own that was executed anew (okv-luna-handshake): it becomes OKV's
 * user first, reads certificate, key and authorities of the client as that user, makes one connection and gives nothing
 * of the key away but the proof of TLS.  It tells `struct hsm_peer` after each stage, so that whoever ends it at a
 * deadline knows where it stood.  The server's certificate is judged and never decides whether the handshake goes on:
 * what a connection would be used for does not happen.
 *
 * libssl is opened when it is wanted (fs/libcrypto.h), of any release from 1.0.2 on; old protocols and short keys are
 * spoken, since what there is is to be found out.
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
	HSM_PEER_SHAKING,    /* the port is open */
	/* How it ended. */
	HSM_PEER_UNRESOLVED,  /* `detail` */
	HSM_PEER_NO_ANSWER,   /* nothing came back from the address */
	HSM_PEER_REFUSED,     /* nobody listens */
	HSM_PEER_UNREACHABLE, /* no way there, or a firewall said so: `errnum` */
	HSM_PEER_RESET,       /* the connection was broken off amid the handshake */
	HSM_PEER_CLOSED,      /* ... or ended */
	HSM_PEER_NOT_TLS,     /* what listens there does not speak TLS */
	HSM_PEER_ALERT,       /* the server ended it with `alert` */
	HSM_PEER_FAILED,      /* another failure of TLS: `detail` */
	HSM_PEER_AGREED,
	HSM_PEER_FAULT,      /* `fault`: it could not be tried */
	HSM_PEER_NO_LIBRARY, /* ... for want of libssl */
};

enum hsm_peer_trust {
	HSM_PEER_UNTRUSTED,
	HSM_PEER_SAME,    /* the certificate stands in the file of authorities itself */
	HSM_PEER_CHAINED, /* it is signed by one of them */
};

enum { HSM_PEER_TEXT_SIZE = 160, HSM_PEER_ADDRESS_SIZE = 64 };

/* One message of kind HSM_PEER_MESSAGE; strings end with NUL, which the parent checks. */
struct hsm_peer {
	uint32_t stage; /* enum hsm_peer_stage */
	uint32_t trust; /* enum hsm_peer_trust */
	int32_t errnum, alert;
	uint32_t presented;   /* 1: with the client's certificate; 0: its key is encrypted, or it has none */
	uint32_t certified;   /* 1: `certificate` is the server's */
	uint32_t clock_known; /* 1: the server told its time */
	int64_t clock_ahead;  /* seconds that its clock is before ours */
	struct pem_certificate certificate;
	char address[HSM_PEER_ADDRESS_SIZE];
	char protocol[16];
	char detail[HSM_PEER_TEXT_SIZE]; /* the library's own words */
	struct fault fault;
};
enum { HSM_PEER_MESSAGE = 1 };

/* Everything is borrowed; "" where there is none. */
struct hsm_peer_question {
	const char *user, *host, *port;
	const char *certificate, *key, *authorities; /* paths below the root */
	unsigned timeout_ms;
	bool web; /* it speaks HTTP, so that it tells its time when asked */
};

/* In a worker (proc/worker.h): tells as messages, and returns when all is told. */
void hsm_peer_serve(const struct hsm_peer_question *question);

#endif
