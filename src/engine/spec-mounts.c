/* Mounts: volumes, host directories, tmpfs, and the files the engine writes for a container. */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/strbuf.h"
#include "base/xalloc.h"
#include "engine/spec-internal.h"

/* The runtime's own mount at this place: changed in place, so that the order stays. */
static struct oci_mount *find_mount(struct spec_ctx *c, const char *destination)
{
	for (size_t i = 0; i < c->spec->n_mounts; i++)
		if (!strcmp(c->spec->mounts[i].destination, destination))
			return &c->spec->mounts[i];
	return NULL;
}

static bool has_option(const struct strv *options, const char *const *any)
{
	for (; *any; any++)
		if (strv_has(options, *any))
			return true;
	return false;
}

static const char *const propagation_words[] = { "shared",  "rshared",  "slave", "rslave",
	                                         "private", "rprivate", NULL };
static const char *const write_words[] = { "ro", "rw", NULL };

static char *join_options(const char *first, const struct strv *rest)
{
	AUTO_BUF out = STRBUF_INIT;

	strbuf_adds(&out, first);
	for (size_t i = 0; i < rest->len; i++)
		strbuf_addf(&out, "%s%s", out.len ? "," : "", rest->items[i]);
	return strbuf_take(&out);
}

/* A later mount on the same place replaces the default one. */
static void add(struct spec_ctx *c, const char *target, const char *type, const char *source,
                const char *options)
{
	oci_spec_remove_mount(c->spec, target);
	oci_spec_add_mount(c->spec, target, type, source, options);
}

static void add_bind(struct spec_ctx *c, const struct mount_request *m, const char *source)
{
	AUTO_FREE char *options = join_options(m->non_recursive ? "bind" : "rbind", &m->options);
	AUTO_BUF all = STRBUF_INIT;

	strbuf_adds(&all, options);
	if (m->read_only && !has_option(&m->options, write_words))
		strbuf_adds(&all, ",ro");
	if (!has_option(&m->options, propagation_words))
		strbuf_adds(&all, ",rprivate");
	add(c, m->target, "bind", source, all.buf);
}

static int add_volume(struct spec_ctx *c, const struct mount_request *m)
{
	AUTO_FREE char *data = NULL;

	if (!m->source)
		return err_set(c->err, E_INTERNAL, "%s '%s': the volume has no name", m->option,
		               m->text);
	/* of a subpath, the volume for now: spec_finish() goes below it */
	data = xasprintf("%s/volumes/%s/_data", c->env->root_path, m->source);
	add_bind(c, m, data);
	return 0;
}

static void add_tmpfs(struct spec_ctx *c, const struct mount_request *m)
{
	AUTO_FREE char *options = join_options("noexec,nosuid,nodev", &m->options);

	add(c, m->target, "tmpfs", "tmpfs", options);
}

static int add_request(struct spec_ctx *c, const struct mount_request *m)
{
	switch (m->kind) {
	case MOUNT_KIND_TMPFS:
		add_tmpfs(c, m);
		return 0;
	case MOUNT_KIND_VOLUME:
		return add_volume(c, m);
	case MOUNT_KIND_IMAGE:
		/* its descriptor comes when it is mounted (image-mounts.h) */
		add_bind(c, m, "/");
		return 0;
	case MOUNT_KIND_BIND:
		if (mount_source_check(m, c->err) < 0)
			return -1;
		add_bind(c, m, m->source);
		return 0;
	}
	return 0;
}

static bool is_requested(struct spec_ctx *c, const char *target)
{
	for (size_t i = 0; i < c->mounts.count; i++)
		if (!strcmp(c->mounts.items[i].target, target))
			return true;
	return false;
}

/* hosts, hostname and resolv.conf: files of ours, writable by the container. With another
 * container's network they are that container's. */
static void add_files(struct spec_ctx *c)
{
	static const char *const names[] = { "resolv.conf", "hostname", "hosts" };
	AUTO_FREE char *peer = NULL;
	const char *dir = c->env->container_path;

	if (c->network.mode == NETWORK_CONTAINER) {
		peer = xasprintf("%s/containers/%s", c->env->root_path, c->net_peer.id);
		dir = peer;
	}
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		AUTO_FREE char *target = xasprintf("/etc/%s", names[i]);
		AUTO_FREE char *source = xasprintf("%s/%s", dir, names[i]);

		if (!is_requested(c, target))
			oci_spec_add_mount(c->spec, target, "bind", source, "bind,rprivate");
	}
}

static void set_shm_size(struct spec_ctx *c)
{
	struct oci_mount *shm = find_mount(c, "/dev/shm");
	AUTO_FREE char *options = NULL;

	if (!shm || !shm->type || strcmp(shm->type, "tmpfs") != 0)
		return;
	options = xasprintf("nosuid,noexec,nodev,mode=1777,size=%llu",
	                    (unsigned long long)(c->opts->shm_size_bytes ?: SHM_SIZE_DEFAULT));
	strv_done(&shm->options);
	strv_split(&shm->options, options, ',');
}

/* Privileged: what is read-only for others can be written. */
static void open_sys(struct spec_ctx *c)
{
	static const char *const paths[] = { "/sys", "/sys/fs/cgroup" };

	for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
		struct oci_mount *m = find_mount(c, paths[i]);

		for (size_t k = 0; m && k < m->options.len; k++)
			if (!strcmp(m->options.items[k], "ro"))
				m->options.items[k][1] = 'w';
	}
}

static void add_read_only_tmpfs(struct spec_ctx *c)
{
	static const char *const paths[] = { "/run", "/tmp", "/var/tmp" };

	if (!c->opts->read_only || !c->opts->read_only_tmpfs)
		return;
	for (size_t i = 0; i < ARRAY_LEN(paths); i++)
		if (!is_requested(c, paths[i]))
			oci_spec_add_mount(c->spec, paths[i], "tmpfs", "tmpfs",
			                   "nosuid,nodev,mode=1777");
}

int spec_mounts(struct spec_ctx *c)
{
	c->spec->root_readonly = c->opts->read_only;
	set_shm_size(c);
	if (c->opts->privileged)
		open_sys(c);
	add_read_only_tmpfs(c);
	for (size_t i = 0; i < c->mounts.count; i++)
		if (add_request(c, &c->mounts.items[i]) < 0)
			return -1;
	add_files(c);
	if (c->opts->init)
		oci_spec_add_mount(c->spec, INIT_INSIDE, "bind", c->env->init_path,
		                   "bind,ro,rprivate");
	return 0;
}
