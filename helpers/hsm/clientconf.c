#include "hsm/clientconf.h"

#include <stdlib.h>
#include <string.h>

#include "fs/read.h"

void hsm_clientconf_done(struct hsm_clientconf *conf)
{
	free(conf->path);
	text_done_secret(&conf->bytes);
	chrystoki_done(&conf->model);
	*conf = (struct hsm_clientconf){ .path = NULL };
}

/* The value of a name, borrowed, or NULL. */
static const char *environment_get(const struct hsm_environment *environment, const char *name)
{
	const char *value = NULL;
	const size_t length = strlen(name);

	/* The last one wins, as with setenv(3). */
	for (size_t i = 0; i < environment->count; i++)
		if (strncmp(environment->items[i], name, length) == 0 && environment->items[i][length] == '=')
			value = environment->items[i] + length + 1;
	return value;
}

int hsm_clientconf_read(int root, const struct hsm_environment *environment, struct hsm_clientconf *ret_conf,
			struct fault *f)
{
	const char *directory = environment_get(environment, "ChrystokiConfigurationPath");
	HSM_CLIENTCONF_AUTO conf = { .path = NULL };
	TEXT_AUTO path = { 0 };
	struct fault ignored = { 0 };
	size_t length = strlen(directory != NULL ? directory : "/etc");

	while (directory != NULL && length > 0 && directory[length - 1] == '/')
		length--;
	text_add(&path, directory != NULL ? directory : "/etc", length);
	text_add_string(&path, "/Chrystoki.conf");
	if (text_check(&path, f) < 0)
		return -1;
	conf.path = text_take(&path);
	(void)fs_read_config(root, conf.path, &conf.bytes, &ignored);
	if (chrystoki_parse(&conf.model, text_string(&conf.bytes), conf.bytes.length, f) < 0)
		return -1;
	*ret_conf = conf;
	conf = (struct hsm_clientconf){ .path = NULL };
	return 0;
}
