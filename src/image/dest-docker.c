/* docker-archive: what `docker load` reads: manifest.json, the config, and layers as plain tars. */
#include "base/fd.h"
#include "base/xalloc.h"
#include "codec/tar.h"
#include "image/transport-internal.h"
#include <errno.h>
#include <fcntl.h>

struct docker_dest {
	struct image_dest base;
	char *name; /* familiar, with its tag; or NULL */
	struct fresh fresh;
	struct members members;
	char *config;       /* member */
	struct strv layers; /* members, bottom first */
};

static void docker_free(struct image_dest *base)
{
	struct docker_dest *d = (struct docker_dest *)base;

	members_done(&d->members);
	fresh_done(&d->fresh);
	strv_done(&d->layers);
	free(d->config);
	free(d->name);
	free(d);
}

/* Caller frees. */
static char *layer_member(const struct digest *d)
{
	return xasprintf("%s.tar", digest_hex(d).s);
}

static int docker_begin(struct image_dest *base, const struct document *manifest,
                        const struct document *config, struct err *err)
{
	struct docker_dest *d = (struct docker_dest *)base;
	AUTO_IMAGE_CONFIG parsed = IMAGE_CONFIG_INIT;

	(void)manifest;
	if (image_config_parse("config", config->text, config->len, &parsed, err) < 0)
		return -1;
	for (size_t i = 0; i < parsed.n_diff_ids; i++)
		strv_add_owned(&d->layers, layer_member(&parsed.diff_ids[i]));
	d->config = xasprintf("%s.json", digest_hex(&config->digest).s);
	return 0;
}

static int docker_has(struct image_dest *base, const struct digest *digest, int layer,
                      struct err *err)
{
	struct docker_dest *d = (struct docker_dest *)base;
	AUTO_FREE char *name = layer_member(digest);

	(void)err;
	return layer >= 0 && strv_has(&d->members.written, name);
}

static int put_unknown(struct docker_dest *d, const struct blob_put *put, const char *name,
                       struct digest *ret_digest, uint64_t *ret_size, struct err *err)
{
	AUTO_FD fd = members_spool(&d->members, d->fresh.parent_fd, &put->source, ret_digest,
	                           ret_size, err);

	return fd < 0 ? -1 : members_put_fd(&d->members, name, fd, *ret_size, err);
}

static int docker_put(struct image_dest *base, const struct blob_put *put,
                      struct digest *ret_digest, uint64_t *ret_size, struct err *err)
{
	struct docker_dest *d = (struct docker_dest *)base;
	AUTO_FREE char *name =
		put->layer < 0 ? xstrdup(d->config) : layer_member(&put->source.digest);

	if (put->source.size >= 0)
		return members_put(&d->members, name, &put->source, ret_digest, ret_size, err);
	return put_unknown(d, put, name, ret_digest, ret_size, err);
}

static int docker_document(struct image_dest *base, const struct document *doc, bool top,
                           struct err *err)
{
	(void)base, (void)doc, (void)top, (void)err;
	return 0; /* the format keeps no manifest */
}

static int docker_commit(struct image_dest *base, struct err *err)
{
	struct docker_dest *d = (struct docker_dest *)base;
	AUTO_JSON *list = json_object_new_array();
	struct json_object *entry = json_object_new_object();
	const char *text;

	json_object_array_add(list, entry);
	json_add_str(entry, "Config", d->config);
	if (d->name)
		json_object_array_add(json_add_array(entry, "RepoTags"),
		                      json_object_new_string(d->name));
	else
		json_object_object_add(entry, "RepoTags", NULL);
	json_add_array(entry, "Layers");
	for (size_t i = 0; i < d->layers.len; i++)
		json_object_array_add(json_object_object_get(entry, "Layers"),
		                      json_object_new_string(d->layers.items[i]));
	text = json_text(list, false);
	if (tar_writer_file(d->members.tar, "manifest.json", text, strlen(text), 0, err) < 0 ||
	    tar_writer_finish(d->members.tar, err) < 0)
		return -1;
	return fresh_commit(&d->fresh, err);
}

static int take_name(struct docker_dest *d, const char *name, struct err *err)
{
	AUTO_REF ref = IMAGE_REF_INIT;
	AUTO_FREE char *whole = NULL;

	if (!name)
		return 0;
	if (image_ref_parse(name, &ref, err) < 0)
		return -1;
	if (ref.has_digest)
		return err_set(err, E_INVALID, "an archive's image has a tag, not a digest: '%s'",
		               name);
	whole = image_ref_name(&ref);
	d->name = xstrdup(image_ref_familiar(whole));
	return 0;
}

int dest_docker_open(const struct transport_args *a, struct image_dest **ret, struct err *err)
{
	static const struct image_dest_ops ops = { .begin = docker_begin,
		                                   .has = docker_has,
		                                   .put = docker_put,
		                                   .document = docker_document,
		                                   .commit = docker_commit,
		                                   .free = docker_free };
	struct docker_dest *d = xcalloc(1, sizeof(*d));
	AUTO_DEST *base = &d->base;

	d->base = (struct image_dest){ .ops = &ops,
		                       .layers = COMPRESSION_NONE,
		                       .only = FORMAT_V2S2,
		                       .no_index = true,
		                       .parallel = 1 };
	d->members.cancel = a->options->cancel;
	d->fresh = FRESH_INIT;
	if (take_name(d, a->at->name, err) < 0 ||
	    fresh_open(a->at->path, false, &d->fresh, err) < 0)
		return -1;
	d->members.tar = tar_writer_new(tar_write_to_fd, &d->fresh.fd);
	*ret = TAKE_PTR(base);
	return 0;
}
