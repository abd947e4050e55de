/*
 * clock_peer SECONDS CERTIFICATE KEY PORT-FILE: a TLS 1.2 server whose random bytes begin with its time, as those of
 * older appliances do; its clock is so many seconds ahead.
 */
#include <arpa/inet.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static long ahead;

/* libssl asks this one. */
time_t time(time_t *ret_now)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	now.tv_sec += ahead;
	if (ret_now != NULL)
		*ret_now = now.tv_sec;
	return now.tv_sec;
}

int main(int argc, char *argv[])
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t length = sizeof(address);
	const int listener = socket(AF_INET, SOCK_STREAM, 0);
	SSL_CTX *context = SSL_CTX_new(TLS_server_method());

	if (argc != 5 || bind(listener, (struct sockaddr *)&address, length) < 0 || listen(listener, 8) < 0 ||
	    getsockname(listener, (struct sockaddr *)&address, &length) < 0 ||
	    SSL_CTX_use_certificate_file(context, argv[2], SSL_FILETYPE_PEM) != 1 ||
	    SSL_CTX_use_PrivateKey_file(context, argv[3], SSL_FILETYPE_PEM) != 1)
		return 1;
	ahead = strtol(argv[1], NULL, 10);
	SSL_CTX_set_max_proto_version(context, TLS1_2_VERSION);
	SSL_CTX_set_mode(context, SSL_MODE_SEND_SERVERHELLO_TIME);
	FILE *out = fopen(argv[4], "w");
	fprintf(out, "%d\n", ntohs(address.sin_port));
	fclose(out);
	for (;;) {
		const int fd = accept(listener, NULL, NULL);
		SSL *connection = SSL_new(context);
		char byte;
		SSL_set_fd(connection, fd);
		if (SSL_accept(connection) == 1)
			(void)SSL_read(connection, &byte, 1);
		SSL_free(connection);
		close(fd);
	}
}
