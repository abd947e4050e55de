#include "hsm/peer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/time.h"
#include "conf/chrystoki_groups.h"
#include "fs/libcrypto.h"
#include "fs/read.h"
#include "fs/root.h"
#include "proc/identity.h"
#include "proc/child.h"
#include "proc/interrupt.h"
#include "proc/message.h"
#include "proc/worker.h"

/* Time for a server to reject us after the handshake: with TLS 1.3 it checks our certificate last. */
enum { REJECTION_MS = 1000 };
/* Random bytes this close to our time count as the server's clock; 1 of 20,000 is so by chance. */
enum { CLOCK_SPAN_S = 26 * 3600 };
enum { ANSWER_MAX = 8192 };

/* Numbers of OpenSSL's headers, the same in every release. */
enum {
	VERIFY_NONE = 0,
	VERIFY_OK = 0,
	ERROR_SSL = 1,
	ERROR_READ = 2,
	ERROR_WRITE = 3,
	CALLBACK_ALERT_READ = 0x4004,
	CONTROL_CACHE = 44,
	CONTROL_CACHE_CLIENT = 1,
	CONTROL_NAME = 55,
	CONTROL_LEAST_VERSION = 123,
	LEAST_VERSION = 0x0301,
	RANDOM_SIZE = 32,
	ALERT_CLOSE = 0,
};

/*
 * The functions of libssl and libcrypto that we use; types as in the manual pages.  Nothing is freed: this process
 * makes one handshake, and ends.
 */
static struct {
	int (*old_init)(void);
	const void *(*method)(void);
	void *(*context_new)(const void *);
	long (*context_control)(void *, int, long, void *);
	int (*ciphers)(void *, const char *);
	void (*verify)(void *, int, int (*)(int, void *));
	void *(*memory)(const void *, int);
	void *(*read_certificate)(void *, void *, int (*)(char *, int, int, void *), void *);
	void *(*read_key)(void *, void *, int (*)(char *, int, int, void *), void *);
	int (*certificate)(void *, void *);
	int (*key)(void *, void *);
	void *(*store)(const void *);
	int (*authority)(void *, void *);
	void (*on_session)(void *, int (*)(void *, void *));
	void *(*connection_new)(void *);
	long (*control)(void *, int, long, void *);
	int (*descriptor)(void *, int);
	void (*on_info)(void *, void (*)(const void *, int, int));
	int (*connect)(void *);
	int (*read)(void *, void *, int);
	int (*write)(void *, const void *, int);
	int (*error)(const void *, int);
	const char *(*version)(const void *);
	long (*verified)(const void *);
	void *(*peer)(const void *);
	size_t (*random)(const void *, unsigned char *, size_t); /* NULL before 1.1.0 */
	int (*encode)(const void *, unsigned char **);
	const char *(*verify_text)(long);
	unsigned long (*error_next)(void);
	void (*error_clear)(void);
	const char *(*reason)(unsigned long);
} lib;

static int library_find(struct fault *f)
{
	static const struct {
		const char *name, *other; /* `other`: its name in another release; "": it may be missing */
		void *function;
	} names[] = {
		{ "SSL_library_init", "", &lib.old_init },
		{ "TLS_client_method", "SSLv23_client_method", &lib.method },
		{ "SSL_CTX_new", NULL, &lib.context_new },
		{ "SSL_CTX_ctrl", NULL, &lib.context_control },
		{ "SSL_CTX_set_cipher_list", NULL, &lib.ciphers },
		{ "SSL_CTX_set_verify", NULL, &lib.verify },
		{ "BIO_new_mem_buf", NULL, &lib.memory },
		{ "PEM_read_bio_X509", NULL, &lib.read_certificate },
		{ "PEM_read_bio_PrivateKey", NULL, &lib.read_key },
		{ "SSL_CTX_use_certificate", NULL, &lib.certificate },
		{ "SSL_CTX_use_PrivateKey", NULL, &lib.key },
		{ "SSL_CTX_get_cert_store", NULL, &lib.store },
		{ "X509_STORE_add_cert", NULL, &lib.authority },
		{ "SSL_CTX_sess_set_new_cb", NULL, &lib.on_session },
		{ "SSL_new", NULL, &lib.connection_new },
		{ "SSL_ctrl", NULL, &lib.control },
		{ "SSL_set_fd", NULL, &lib.descriptor },
		{ "SSL_set_info_callback", NULL, &lib.on_info },
		{ "SSL_connect", NULL, &lib.connect },
		{ "SSL_read", NULL, &lib.read },
		{ "SSL_write", NULL, &lib.write },
		{ "SSL_get_error", NULL, &lib.error },
		{ "SSL_get_version", NULL, &lib.version },
		{ "SSL_get_verify_result", NULL, &lib.verified },
		{ "SSL_get1_peer_certificate", "SSL_get_peer_certificate", &lib.peer },
		{ "SSL_get_server_random", "", &lib.random },
		{ "i2d_X509", NULL, &lib.encode },
		{ "X509_verify_cert_error_string", NULL, &lib.verify_text },
		{ "ERR_get_error", NULL, &lib.error_next },
		{ "ERR_clear_error", NULL, &lib.error_clear },
		{ "ERR_reason_error_string", NULL, &lib.reason },
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		const char *other = names[i].other;
		if (!fs_libssl_find(names[i].name, names[i].function) &&
		    (other == NULL || (other[0] != '\0' && !fs_libssl_find(other, names[i].function))))
			return fault_absent(
				f, "cannot try a handshake without libssl (%s); install the package 'openssl-libs'",
				names[i].name);
	}
	if (lib.old_init != NULL)
		(void)lib.old_init();
	return 0;
}

/* One handshake. */
struct attempt {
	const struct hsm_peer_question *question;
	int root, socket;
	int64_t deadline;
	struct hsm_peer peer;
	struct text authorities; /* the file */
	void *context, *connection;
};

static void state_send(const struct attempt *s)
{
	(void)proc_message_write(s->socket, HSM_PEER_MESSAGE, &s->peer, sizeof(s->peer));
}

static int end_at(struct attempt *s, enum hsm_peer_stage stage)
{
	s->peer.stage = stage;
	return -1;
}

/* 1: it is ready; 0: the deadline has passed. */
static int await(int fd, short events, int64_t deadline)
{
	struct pollfd one = { .fd = fd, .events = events };

	for (;;) {
		const int64_t left = deadline - proc_clock_ms();
		if (left <= 0)
			return 0;
		if (poll(&one, 1, left > 60000 ? 60000 : (int)left) > 0)
			return 1;
	}
}

/* --- the client's files ------------------------------------------------------------------------------------------- */

/* Nobody is there to type a passphrase. */
static int passphrase_none(char *buffer, int size, int writing, void *context)
{
	(void)size;
	(void)writing;
	(void)context;
	buffer[0] = '\0';
	return 0;
}

/* Passes the first certificate, or the key, in those bytes to `use`, with `owner`. */
static bool bytes_use(const struct text *bytes,
		      void *(*read)(void *, void *, int (*)(char *, int, int, void *), void *),
		      int (*use)(void *, void *), void *owner)
{
	void *memory = lib.memory(text_string(bytes), (int)bytes->length);
	void *object = memory != NULL ? read(memory, NULL, passphrase_none, NULL) : NULL;

	return object != NULL && use(owner, object) == 1;
}

static int unusable(struct fault *f, const char *path, const char *what)
{
	const unsigned long code = lib.error_next();
	const char *reason = code != 0 ? lib.reason(code) : NULL;

	lib.error_clear();
	return fault_refused(f, "'%s' cannot be used as the client's %s: %s", SHOWN(path), what,
			     reason != NULL ? reason : "unknown reason");
}

/* libssl is given bytes, since /proc/self is shut to a process that may not be traced. */
static int pair_use(struct attempt *s, struct fault *f)
{
	const struct hsm_peer_question *q = s->question;
	TEXT_SECRET_AUTO key = { 0 };
	TEXT_AUTO certificate = { 0 };

	if (q->certificate[0] == '\0' || q->key[0] == '\0')
		return 0;
	if (fs_read_linked(s->root, q->certificate, &certificate, f) < 0 ||
	    fs_read_linked(s->root, q->key, &key, f) < 0)
		return -1;
	if (!bytes_use(&certificate, lib.read_certificate, lib.certificate, s->context))
		return unusable(f, q->certificate, "certificate");
	/* Clients from 10.7.0 on encrypt the key with a built-in passphrase. */
	if (memmem(text_string(&key), key.length, "ENCRYPTED", strlen("ENCRYPTED")) != NULL)
		return 0;
	if (!bytes_use(&key, lib.read_key, lib.key, s->context))
		return unusable(f, q->key, "key");
	s->peer.presented = 1;
	return 0;
}

static int authorities_use(struct attempt *s, struct fault *f)
{
	const char *path = s->question->authorities;
	void *memory, *one;

	if (path[0] == '\0')
		return 0;
	if (fs_read_linked(s->root, path, &s->authorities, f) < 0)
		return -1;
	memory = lib.memory(text_string(&s->authorities), (int)s->authorities.length);
	while (memory != NULL && (one = lib.read_certificate(memory, NULL, passphrase_none, NULL)) != NULL)
		(void)lib.authority(lib.store(s->context), one);
	/* A broken certificate ends the loop; those before it are still used. */
	lib.error_clear();
	return 0;
}

static int on_session(void *connection, void *session);
static void on_info(const void *connection, int where, int value);

static int context_make(struct attempt *s, struct fault *f)
{
	s->context = lib.context_new(lib.method());
	if (s->context == NULL)
		return fault_memory(f);
	lib.verify(s->context, VERIFY_NONE, NULL);
	(void)lib.context_control(s->context, CONTROL_LEAST_VERSION, LEAST_VERSION, NULL);
	(void)lib.context_control(s->context, CONTROL_CACHE, CONTROL_CACHE_CLIENT, NULL);
	lib.on_session(s->context, on_session);
	/* 1.0.2 has no security levels; there DEFAULT is enough. */
	if (lib.ciphers(s->context, "DEFAULT:@SECLEVEL=0") != 1)
		(void)lib.ciphers(s->context, "DEFAULT");
	lib.error_clear();
	return pair_use(s, f) < 0 ? -1 : authorities_use(s, f);
}

/* --- connecting --------------------------------------------------------------------------------------------------- */

static int connect_failed(struct attempt *s, int errnum)
{
	s->peer.errnum = errnum;
	return end_at(s, errnum == ECONNREFUSED ? HSM_PEER_REFUSED
			 : errnum == ETIMEDOUT  ? HSM_PEER_NO_ANSWER
						: HSM_PEER_UNREACHABLE);
}

static int address_connect(struct attempt *s, const struct addrinfo *address, int64_t deadline, int *ret_fd)
{
	FS_AUTO int fd = socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int errnum = 0;
	socklen_t length = sizeof(errnum);

	if (fd < 0)
		return connect_failed(s, errno);
	s->peer.stage = HSM_PEER_CONNECTING;
	(void)getnameinfo(address->ai_addr, address->ai_addrlen, s->peer.address, sizeof(s->peer.address), NULL, 0,
			  NI_NUMERICHOST);
	state_send(s);
	if (connect(fd, address->ai_addr, address->ai_addrlen) < 0) {
		if (errno != EINPROGRESS)
			return connect_failed(s, errno);
		if (await(fd, POLLOUT, deadline) == 0)
			return connect_failed(s, ETIMEDOUT);
		if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &errnum, &length) < 0 || errnum != 0)
			return connect_failed(s, errnum);
	}
	*ret_fd = fs_take(&fd);
	return 0;
}

/* Connects to the first address that answers; each gets its share of the time. */
static int server_connect(struct attempt *s, int *ret_fd)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV };
	struct addrinfo *list = NULL;
	int left = 0, r = -1;

	const int failed = getaddrinfo(s->question->host, s->question->port, &hints, &list);
	if (failed != 0) {
		(void)snprintf(s->peer.detail, sizeof(s->peer.detail), "%s", gai_strerror(failed));
		return end_at(s, HSM_PEER_UNRESOLVED);
	}
	for (const struct addrinfo *a = list; a != NULL; a = a->ai_next)
		left++;
	for (const struct addrinfo *a = list; r < 0 && a != NULL; a = a->ai_next, left--) {
		const int64_t now = proc_clock_ms();
		r = address_connect(s, a, now + (s->deadline - now) / left, ret_fd);
	}
	freeaddrinfo(list);
	return r;
}

/* --- the handshake ------------------------------------------------------------------------------------------------ */

/* Callbacks have no context argument; a static will do for the only handshake of this process. */
static struct attempt *attempt;
static bool has_session;

static void on_info(const void *connection, int where, int value)
{
	(void)connection;
	if ((where & CALLBACK_ALERT_READ) == CALLBACK_ALERT_READ && (value & 0xff) != ALERT_CLOSE)
		attempt->peer.alert = value & 0xff;
}

/* With TLS 1.3 a server sends session tickets after it has accepted the client's certificate. */
static int on_session(void *connection, void *session)
{
	(void)connection;
	(void)session;
	has_session = true;
	return 0;
}

/* Waits, if that is what `returned` asks for.  1: try again; 0: the deadline has passed; -1: an error. */
static int await_more(struct attempt *s, int fd, int returned, int64_t deadline)
{
	switch (lib.error(s->connection, returned)) {
	case ERROR_READ:
		return await(fd, POLLIN, deadline);
	case ERROR_WRITE:
		return await(fd, POLLOUT, deadline);
	default:
		return -1;
	}
}

/* Finds out why the handshake failed. */
static int handshake_failed(struct attempt *s, int returned, int errnum)
{
	static const char *const others[] = { "wrong version number",
					      "unknown protocol",
					      "http request",
					      "packet length too long",
					      "record layer failure",
					      "bad record type",
					      NULL };
	const int error = lib.error(s->connection, returned);
	const unsigned long code = lib.error_next();
	const char *reason = code != 0 ? lib.reason(code) : NULL;

	if (s->peer.alert >= 0)
		return end_at(s, HSM_PEER_ALERT);
	if (error != ERROR_SSL)
		return end_at(s, errnum == ECONNRESET || errnum == EPIPE ? HSM_PEER_RESET : HSM_PEER_CLOSED);
	if (reason == NULL)
		reason = "unknown";
	(void)snprintf(s->peer.detail, sizeof(s->peer.detail), "%s", reason);
	if (text_is_one_of(reason, strlen(reason), others))
		return end_at(s, HSM_PEER_NOT_TLS);
	return end_at(s, strstr(reason, "unexpected eof") != NULL ? HSM_PEER_CLOSED : HSM_PEER_FAILED);
}

static int handshake(struct attempt *s, int fd)
{
	s->connection = lib.connection_new(s->context);
	if (s->connection == NULL || lib.descriptor(s->connection, fd) != 1)
		return end_at(s, HSM_PEER_FAILED);
	lib.on_info(s->connection, on_info);
	struct in6_addr number;
	const char *host = s->question->host;
	if (inet_pton(AF_INET, host, &number) != 1 && inet_pton(AF_INET6, host, &number) != 1)
		(void)lib.control(s->connection, CONTROL_NAME, 0, (void *)(uintptr_t)host);
	for (;;) {
		errno = 0;
		const int r = lib.connect(s->connection);
		const int errnum = errno;
		if (r == 1)
			return 0;
		const int more = await_more(s, fd, r, s->deadline);
		if (more < 0)
			return handshake_failed(s, r, errnum);
		if (more == 0)
			return -1;
	}
}

/* Waits whether the server rejects us after the handshake.  0: it keeps the connection. */
static int rejection_await(struct attempt *s, int fd)
{
	int64_t until = proc_clock_ms() + REJECTION_MS;
	char byte;

	if (until > s->deadline)
		until = s->deadline;
	while (!has_session) {
		errno = 0;
		const int r = lib.read(s->connection, &byte, 1);
		const int errnum = errno;
		if (r > 0)
			return 0;
		const int more = await_more(s, fd, r, until);
		if (more < 0)
			return handshake_failed(s, r, errnum);
		if (more == 0)
			return 0;
	}
	return 0;
}

/* --- certificate and clock ---------------------------------------------------------------------------------------- */

static void certificate_evaluate(struct attempt *s)
{
	TEXT_AUTO entry = { 0 };
	unsigned char *der = NULL;
	void *peer = lib.peer(s->connection);

	if (peer == NULL)
		return;
	const int length = lib.encode(peer, &der);
	if (length <= 0)
		return;
	s->peer.certified = pem_certificate_read(der, (size_t)length, &s->peer.certificate);
	const long verified = lib.verified(s->connection);
	if (verified == VERIFY_OK)
		s->peer.trust = HSM_PEER_CHAINED;
	else if (s->peer.detail[0] == '\0')
		(void)snprintf(s->peer.detail, sizeof(s->peer.detail), "%s", lib.verify_text(verified));
	for (size_t at = 0; pem_certificate_next(text_string(&s->authorities), s->authorities.length, &at, &entry);)
		if (entry.length == (size_t)length && memcmp(entry.bytes, der, entry.length) == 0)
			s->peer.trust = HSM_PEER_SAME;
}

static void clock_set(struct attempt *s, int64_t theirs)
{
	s->peer.clock_known = 1;
	s->peer.clock_ahead = theirs - time_now();
}

/* Up to TLS 1.2 a server's random bytes may begin with its time (RFC 5246, 7.4.1.2); few still do. */
static void clock_by_random(struct attempt *s)
{
	unsigned char random[RANDOM_SIZE];

	if (lib.random == NULL || lib.random(s->connection, random, sizeof(random)) != sizeof(random))
		return;
	const int64_t theirs =
		(int64_t)random[0] << 24 | (int64_t)random[1] << 16 | (int64_t)random[2] << 8 | random[3];
	if (theirs - time_now() < CLOCK_SPAN_S && time_now() - theirs < CLOCK_SPAN_S)
		clock_set(s, theirs);
}

/* A web server sends its time with every response (RFC 9110, 6.6.1). */
static void clock_by_date(struct attempt *s, int fd)
{
	static const char head[] = "\r\nDate: ";
	TEXT_AUTO request = { 0 };
	char answer[ANSWER_MAX + 1];
	size_t length = 0;
	const char *date;
	int64_t theirs;

	text_add_format(&request, "HEAD / HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", s->question->host);
	if (lib.write(s->connection, text_string(&request), (int)request.length) <= 0)
		return;
	do {
		const int r = lib.read(s->connection, answer + length, (int)(ANSWER_MAX - length));
		if (r > 0)
			length += (size_t)r;
		else if (await_more(s, fd, r, s->deadline) <= 0)
			return;
		answer[length] = '\0';
		date = strcasestr(answer, head);
	} while ((date == NULL || strstr(date + 2, "\r\n") == NULL) && length < ANSWER_MAX);
	if (date != NULL && time_parse_http(date + strlen(head), &theirs))
		clock_set(s, theirs);
}

/* --- the whole run ------------------------------------------------------------------------------------------------ */

static void attempt_run(struct attempt *s)
{
	FS_AUTO int fd = -1;
	struct fault *f = &s->peer.fault;
	struct proc_identity identity;

	s->peer.stage = HSM_PEER_FAULT;
	if (proc_identity_read(s->root, s->question->user, &identity, f) < 0 || proc_worker_become(&identity, f) < 0)
		return;
	s->peer.stage = HSM_PEER_NO_LIBRARY;
	if (library_find(f) < 0)
		return;
	s->peer.stage = HSM_PEER_FAULT;
	if (chrystoki_address_check(s->question->host, s->question->port, f) < 0 || context_make(s, f) < 0)
		return;
	s->peer.stage = HSM_PEER_RESOLVING;
	state_send(s);
	if (server_connect(s, &fd) < 0)
		return;
	s->peer.stage = HSM_PEER_HANDSHAKE;
	state_send(s);
	const int agreed = handshake(s, fd);
	if (s->connection != NULL)
		certificate_evaluate(s);
	if (agreed < 0)
		return;
	(void)snprintf(s->peer.protocol, sizeof(s->peer.protocol), "%s", lib.version(s->connection));
	if (rejection_await(s, fd) < 0)
		return;
	s->peer.stage = HSM_PEER_AGREED;
	clock_by_random(s);
	if (s->question->web)
		clock_by_date(s, fd);
}

void hsm_peer_serve(const struct hsm_peer_question *question)
{
	/* Network and libssl are this machine's, so files are read from the tree without chroot(2). */
	FS_AUTO int root = fcntl(PROC_CHILD_ROOT, F_DUPFD_CLOEXEC, PROC_CHILD_ROOT + 1);
	struct attempt s = { .question = question,
			     .root = root,
			     .socket = PROC_CHILD_TELL,
			     .deadline = proc_clock_ms() + question->timeout_ms,
			     .peer = { .stage = HSM_PEER_RESOLVING, .alert = -1 } };

	attempt = &s;
	(void)close(PROC_CHILD_ROOT);
	(void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	attempt_run(&s);
	state_send(&s);
}
