/*
 * okv-luna-handshake USER HOST PORT MILLISECONDS CERTIFICATE KEY AUTHORITIES KIND: one TLS handshake, for okv-luna
 * network.
 *
 * A separate program, so that the memory that parses a stranger's bytes holds none of root's data.  Started as root;
 * becomes USER.
 */
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/number.h"
#include "hsm/peer.h"

int main(int argc, char *argv[])
{
	struct hsm_peer_question question;
	struct fault f = { 0 };
	uint64_t timeout;

	if (argc != 9 || number_parse(argv[4], "the time", 1, 3600 * 1000, &timeout, &f) < 0)
		_exit(2);
	question = (struct hsm_peer_question){ .user = argv[1],
					       .host = argv[2],
					       .port = argv[3],
					       .certificate = argv[5],
					       .key = argv[6],
					       .authorities = argv[7],
					       .timeout_ms = (unsigned)timeout,
					       .web = strcmp(argv[8], "web") == 0 };
	(void)signal(SIGPIPE, SIG_IGN);
	hsm_peer_serve(&question);
	_exit(0);
}
