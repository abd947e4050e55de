#include "bundle/secret.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "base/text.h"
#include "proc/secret.h"

#ifndef MCL_ONFAULT
#define MCL_ONFAULT 4 /* Linux 4.4 */
#endif
#ifndef MADV_WIPEONFORK
#define MADV_WIPEONFORK 18 /* Linux 4.14 */
#endif

/* Empty ones. */
static int secret_new(struct report *report, struct bundle_secret **ret_secret, struct fault *f)
{
	/* What comes later (libcrypto's copy of the key) is locked as it appears, and not a page more. */
	const bool all = mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) == 0;

	/* For good: neither this process nor a child of it dumps. */
	const struct rlimit nothing = { .rlim_cur = 0, .rlim_max = 0 };
	(void)setrlimit(RLIMIT_CORE, &nothing);
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return fault_system(f, errno, "cannot forbid dumps of this process");
	struct bundle_secret *secret =
		mmap(NULL, sizeof(*secret), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (secret == MAP_FAILED)
		return fault_memory(f);
	if (mlock(secret, offsetof(struct bundle_secret, block)) < 0 && !all)
		report_say(report, REPORT_WARNING, "cannot lock memory (%s): a key may be written to swap",
			   fault_errno_text(errno));
	/* Kernels that do not know these still have the lock and the missing core limit. */
	(void)madvise(secret, sizeof(*secret), MADV_DONTDUMP);
	(void)madvise(secret, sizeof(*secret), MADV_WIPEONFORK);
	*ret_secret = secret;
	return 0;
}

void bundle_secret_free(struct bundle_secret **secret)
{
	if (*secret == NULL)
		return;
	text_wipe(*secret, sizeof(**secret));
	(void)munmap(*secret, sizeof(**secret));
	*secret = NULL;
}

static int passphrase_ask(const struct bundle_source *source, const char *what, struct report *report,
			  struct bundle_secret **ret_secret, struct fault *f)
{
	const struct proc_secret from = {
		.what = what,
		.file = source->file,
		.fd = source->fd,
		.advice = "--passphrase-file or --passphrase-fd",
	};
	BUNDLE_SECRET_AUTO *secret = NULL;

	if (secret_new(report, &secret, f) < 0 ||
	    proc_secret_read(&from, report, secret->passphrase, sizeof(secret->passphrase), &secret->length, f) < 0)
		return -1;
	*ret_secret = secret;
	secret = NULL;
	return 0;
}

bool bundle_source_is_terminal(const struct bundle_source *source)
{
	return source->file == NULL && source->fd < 0;
}

/* A slip of the finger while sealing would be noticed on the other nodes only. */
static int passphrase_check(const struct bundle_source *source, struct report *report,
			    const struct bundle_secret *secret, struct fault *f)
{
	BUNDLE_SECRET_AUTO *again = NULL;

	if (secret->length < BUNDLE_PASSPHRASE_LEAST)
		return fault_refused(f, "the passphrase has fewer than %d bytes", BUNDLE_PASSPHRASE_LEAST);
	if (!bundle_source_is_terminal(source))
		return 0;
	if (passphrase_ask(source, "passphrase again", report, &again, f) < 0)
		return -1;
	if (again->length != secret->length || memcmp(again->passphrase, secret->passphrase, secret->length) != 0)
		return fault_refused(f, "the two passphrases differ");
	return 0;
}

int bundle_secret_read(const struct bundle_source *source, enum bundle_question question, struct report *report,
		       struct bundle_secret **ret_secret, struct fault *f)
{
	BUNDLE_SECRET_AUTO *secret = NULL;

	if (passphrase_ask(source, "passphrase", report, &secret, f) < 0 ||
	    (question == BUNDLE_ASK_TWICE && passphrase_check(source, report, secret, f) < 0))
		return -1;
	*ret_secret = secret;
	secret = NULL;
	return 0;
}
