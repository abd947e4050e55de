/*
 * Linked into everything of `make asan`: how AddressSanitizer goes about it where a program has a closed environment.
 * A foreign library that crashes is for our tools to tell of, so signals are left to them; a report ends with 99.
 */
const char *__asan_default_options(void);

const char *__asan_default_options(void)
{
	return "handle_segv=0:handle_sigbus=0:handle_sigfpe=0:handle_sigill=0:handle_abort=0:exitcode=99";
}
