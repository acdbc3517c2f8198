#include "engine/spec-build.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/strbuf.h"
#include "base/xalloc.h"
#include "engine/spec-internal.h"
#include "engine/user.h"
#include "engine/volumes.h"
#include "net/files.h"
#include "sys/rootfs.h"

static int add_annotations(struct spec_ctx *c)
{
	for (size_t i = 0; i < c->opts->annotation.len; i++) {
		const char *text = c->opts->annotation.items[i];
		const char *eq = strchr(text, '=');
		AUTO_FREE char *key = NULL;

		if (!eq || eq == text)
			return err_set(c->err, E_INVALID, "--annotation '%s': expected KEY=VALUE",
			               text);
		key = xstrndup(text, (size_t)(eq - text));
		oci_spec_set_annotation(c->spec, key, eq + 1);
	}
	return 0;
}

static int build(struct spec_ctx *c)
{
	/* order: namespaces say what the host name is, which the environment shows; capabilities
	 * decide on seccomp rules */
	if (network_choice_parse(c->opts, c->env->rootless, &c->network, c->err) < 0 ||
	    mount_requests_parse(c->opts, &c->image->volumes, &c->mounts, c->err) < 0 ||
	    spec_namespaces(c) < 0 || spec_process(c) < 0 || spec_mounts(c) < 0 ||
	    spec_devices(c) < 0 || spec_security(c) < 0 || spec_limits(c) < 0)
		return -1;
	return add_annotations(c);
}

int spec_build(const struct container_options *opts, const struct image_config *image,
               const struct spec_build_env *env, struct oci_spec *ret, struct err *err)
{
	struct spec_ctx c = { .opts = opts, .image = image, .env = env, .spec = ret, .err = err };
	int r;

	oci_spec_default(ret);
	r = build(&c);
	mount_requests_done(&c.mounts);
	return r;
}

/* ---- inside the container's mount namespace, with its root ---- */

static int finish_user(const struct container_options *opts, const struct image_config *image,
                       int root_fd, struct oci_spec *spec, struct err *err)
{
	AUTO(user_identity_done) struct user_identity u = { 0 };
	struct oci_user *user = &spec->process.user;
	const char *who = opts->user ?: image->user;

	if (user_lookup(root_fd, who, &opts->group_add, &u, err) < 0)
		return -1;
	user->uid = u.uid;
	user->gid = u.gid;
	free(user->additional_gids);
	user->additional_gids = NULL;
	user->n_additional_gids = 0;
	for (size_t i = 0; i < u.group_count; i++)
		VEC_PUSH(user->additional_gids, user->n_additional_gids, u.groups[i]);
	if (!strv_get_env(&spec->process.env, "HOME"))
		strv_set_env(&spec->process.env, "HOME", u.home);
	return 0;
}

/* Missing directories are root's, as docker makes them; every step stays inside the root
 * (CVE-2026-55686). */
static int finish_cwd(int root_fd, const struct oci_spec *spec, struct err *err)
{
	const char *cwd = spec->process.cwd;
	AUTO_FD fd = rootfs_open(root_fd, cwd, O_PATH | O_DIRECTORY, 0);

	if (fd >= 0)
		return 0;
	if (fd != -ENOENT)
		return err_sys(err, -fd, "working directory '%s'", cwd);
	/* below a mount the container makes later it is not ours to make: the runtime does */
	fd = rootfs_mkdir_all(root_fd, cwd, 0755);
	if (fd < 0 && fd != -EROFS)
		return err_sys(err, -fd, "make working directory '%s'", cwd);
	return 0;
}

/* A directory below a volume, with no link on the way: whoever wrote into the volume before must
 * not lead us elsewhere. Opened here, in the mount namespace it is mounted in; the descriptor ends
 * with this process's execve. */
static int finish_subpath(const struct mount_request *m, const struct spec_build_env *env,
                          struct oci_spec *spec, struct err *err)
{
	AUTO_FREE char *data = xasprintf("%s/volumes/%s/_data", env->root_path, m->source);
	AUTO_FD volume = open(data, O_PATH | O_DIRECTORY | O_CLOEXEC);
	int fd;

	if (volume < 0)
		return err_sys(err, errno, "%s '%s': volume '%s'", m->option, m->text, m->source);
	fd = rootfs_open_nolinks(volume, m->subpath, O_PATH, 0);
	if (fd < 0)
		return err_sys(err, -fd, "%s '%s': '%s' in volume '%s'", m->option, m->text,
		               m->subpath, m->source);
	for (size_t i = 0; i < spec->n_mounts; i++)
		if (!strcmp(spec->mounts[i].destination, m->target))
			spec->mounts[i].source_fd = fd;
	return 0;
}

static int finish_volumes(const struct mount_requests *mounts, const struct spec_build_env *env,
                          int root_fd, struct oci_spec *spec, struct err *err)
{
	AUTO_FD dir = -1;

	for (size_t i = 0; i < mounts->count; i++) {
		const struct mount_request *m = &mounts->items[i];

		if (m->kind == MOUNT_KIND_VOLUME && m->subpath) {
			if (finish_subpath(m, env, spec, err) < 0)
				return -1;
			continue;
		}
		if (m->kind != MOUNT_KIND_VOLUME || m->no_copy)
			continue;
		if (dir < 0)
			dir = open(env->root_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (dir < 0)
			return err_sys(err, errno, "open '%s'", env->root_path);
		if (volume_copy_up(dir, m->source, root_fd, m->target, err) < 0)
			return -1;
	}
	return 0;
}

int spec_finish(const struct container_options *opts, const struct image_config *image,
                const struct spec_build_env *env, int root_fd, struct oci_spec *spec,
                struct err *err)
{
	AUTO_MOUNTS mounts = { 0 };

	if (mount_requests_parse(opts, &image->volumes, &mounts, err) < 0 ||
	    finish_user(opts, image, root_fd, spec, err) < 0 || finish_cwd(root_fd, spec, err) < 0)
		return -1;
	return finish_volumes(&mounts, env, root_fd, spec, err);
}
