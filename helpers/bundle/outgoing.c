#include "bundle/outgoing.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "bundle/carrier.h"
#include "fs/handle.h"

int bundle_outgoing_make(const struct bundle_seal *how, int *ret_fd, uint64_t *ret_size, struct fault *f)
{
	struct bundle_sealed sealed;
	FS_AUTO int dir = -1;
	FS_AUTO int fd = -1;

	if (fs_dir_open(how->root, SETTINGS_VAR, FS_FOLLOW_TRUSTED, &dir, f) < 0)
		return -1;
	/* Left by a run that was killed between the next two calls. */
	(void)unlinkat(dir, SETTINGS_OUTGOING, 0);
	fd = openat(dir, SETTINGS_OUTGOING, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0 || unlinkat(dir, SETTINGS_OUTGOING, 0) < 0)
		return fault_system(f, errno, "cannot make a private file in '%s'", SETTINGS_VAR);
	if (bundle_seal_descriptor(how, fd, &sealed, f) < 0)
		return -1;
	*ret_size = sealed.head_length + sealed.header.size + BUNDLE_TAG_SIZE;
	*ret_fd = fs_take(&fd);
	return 0;
}

int bundle_outgoing_file(const char *path, int *ret_fd, uint64_t *ret_size, struct fault *f)
{
	BUNDLE_CARRIER_AUTO carrier = BUNDLE_CARRIER_INIT;
	struct bundle_sealed sealed;

	if (bundle_carrier_open(path, &carrier, f) < 0 || bundle_sealed_look(carrier.fd, path, &sealed, f) < 0)
		return -1;
	*ret_size = (uint64_t)carrier.status.st_size;
	*ret_fd = fs_take(&carrier.fd);
	return 0;
}
