/* hsm/probe with whatever a library may write into our socket, in pieces: no fault of ours, and never "that was all". */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "hsm/probe.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	HSM_ANSWER_AUTO answer = HSM_ANSWER_INIT;
	int ends[2];
	struct proc_child child = { 0 };
	struct listener listener = { .root = -1, .answer = &answer, .child = &child };
	TEXT_AUTO out = { 0 };
	struct proc_message_reader reader = { 0 };
	struct proc_message message;
	enum proc_child_answer heard = PROC_CHILD_MORE;
	struct json j;

	/* It has ended, so that nothing is sent. */
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) < 0)
		abort();
	(void)close(ends[1]);
	child.tell = ends[0];
	/* A nonce that no input holds: the first bytes of the input, each one more. */
	for (size_t i = 0; i < HSM_NONCE_SIZE; i++)
		listener.nonce[i] = (unsigned char)(0xa0 + i);
	if (memmem(data, size, listener.nonce, sizeof(listener.nonce)) != NULL) {
		(void)close(ends[0]);
		return 0;
	}
	for (size_t at = 0, piece = 1; at < size; at += piece, piece = piece * 2 + 1) {
		const size_t left = size - at;
		proc_message_reader_add(&reader, data + at, left < piece ? left : piece);
		while (heard == PROC_CHILD_MORE && proc_message_reader_next(&reader, &message) > 0)
			heard = listen_to(&listener, &message);
		if (heard == PROC_CHILD_ALL)
			abort();
	}
	hsm_answer_table(&answer, &out);
	json_init(&j, &out);
	json_object_begin(&j, NULL);
	hsm_answer_json(&answer, &j);
	json_object_end(&j);
	proc_message_reader_done(&reader);
	(void)close(ends[0]);
	return 0;
}
