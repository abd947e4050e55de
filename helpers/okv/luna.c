#include "okv/luna.h"

#include "conf/chrystoki_groups.h"
#include "fs/read.h"
#include "okv/edit.h"

static int luna_change(void *context, const struct text *now, struct text *ret_text, struct fault *f)
{
	const struct okv_luna *act = context;
	CHRYSTOKI_AUTO conf = CHRYSTOKI_INIT;
	bool changed;
	int r = 0;

	if (chrystoki_parse(&conf, text_string(now), now->length, f) < 0)
		return -1;
	switch (act->kind) {
	case OKV_LUNA_SET:
		r = chrystoki_set(&conf, act->section, act->key, act->value, &changed, f);
		break;
	case OKV_LUNA_UNSET:
		r = chrystoki_unset(&conf, act->section, act->key, &changed, f);
		break;
	case OKV_LUNA_REMOVE:
		r = chrystoki_remove(&conf, act->section, &changed, f);
		break;
	case OKV_LUNA_GROUP:
		r = chrystoki_group_set(&conf, act->key, act->value, &changed, f);
		break;
	case OKV_LUNA_SERVER_ADD:
		r = chrystoki_server_add(&conf, act->value, act->port, &changed, f);
		break;
	case OKV_LUNA_SERVER_REMOVE:
		r = chrystoki_server_remove(&conf, act->value, &changed, f);
		break;
	}
	if (r < 0)
		return -1;
	chrystoki_print(&conf, ret_text);
	return text_check(ret_text, f);
}

int okv_luna_edit(const struct okv_job *job, const struct okv_luna *act, bool *ret_changed, struct fault *f)
{
	struct okv_luna copy = *act;
	const struct okv_edit edit = { .path = job->settings->chrystoki_conf, .change = luna_change, .context = &copy };

	return okv_edit(job, &edit, ret_changed, f);
}

int okv_luna_read(const struct okv_job *job, struct chrystoki *ret_chrystoki, struct fault *f)
{
	__attribute__((cleanup(text_done_secret))) struct text bytes = { 0 };

	if (fs_read_file(job->root, job->settings->chrystoki_conf, FS_FOLLOW_TRUSTED, FS_READ_CONFIG_MAX, &bytes, NULL,
			 f) < 0)
		return -1;
	return chrystoki_parse(ret_chrystoki, text_string(&bytes), bytes.length, f);
}
