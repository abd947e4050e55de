/*
 * okv-luna-pkcs11: loads a PKCS#11 library, for okv-luna slots, status and the hooks.
 *
 * A program of its own, so that nothing that root's process has in its memory or environment is where foreign code
 * runs.  Starts as root, to become OKV's user; question and answer are messages on PROC_CHILD_TELL.
 */
#include <unistd.h>

#include "hsm/session.h"

int main(void)
{
	_exit(hsm_session_serve());
}
