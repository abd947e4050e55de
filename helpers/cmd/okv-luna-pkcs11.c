/*
 * okv-luna-pkcs11: loads a PKCS#11 library, for okv-luna slots, status and the hooks.
 *
 * A separate program, so that foreign code finds none of root's data in its memory or environment.  Started as root;
 * becomes OKV's user.  Question and answer are messages on PROC_CHILD_TELL.
 */
#include <unistd.h>

#include "hsm/session.h"

int main(void)
{
	_exit(hsm_session_serve());
}
