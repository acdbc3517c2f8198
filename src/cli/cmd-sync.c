/* image sync: a repository's images, or a folder's, to a registry or into a folder. */
#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "base/xalloc.h"
#include "cli/cli-internal.h"
#include "cli/copy-options.h"
#include "cli/progress.h"

#define DEPTH_MAX 16

struct sync_opts {
	struct copy_opts copy;
	const char *source, *dest;
	bool all, scoped, keep_going, dry_run, quiet, preserve_digests;
	const char *authfile;
	int src_tls_verify, dest_tls_verify;
	const char *src_creds, *dest_creds;
	const char *src_authfile, *dest_authfile;
	const char *src_cert_dir, *dest_cert_dir;
};

#define O(field) OPT(struct sync_opts, field)
/* clang-format off */
static const struct opt options[] = {
	{ "all", 'a', OPT_BOOL, O(all), NULL, "copy every image of an index, and the index", 0, 0 },
	{ "authfile", 0, OPT_STR, O(authfile), "FILE", "credentials for both ends", 0, COMPLETE_FILE },
	{ "dest", 'd', OPT_STR, O(dest), "KIND", "what DESTINATION is: docker or dir", OPT_REQUIRED, 0 },
	{ "dest-authfile", 0, OPT_STR, O(dest_authfile), "FILE", "credentials for the destination", 0, COMPLETE_FILE },
	{ "dest-cert-dir", 0, OPT_STR, O(dest_cert_dir), "DIR", "certificates for the destination", 0, COMPLETE_DIR },
	{ "dest-creds", 0, OPT_STR, O(dest_creds), "USER:PASSWORD", "credentials of the destination", 0, 0 },
	{ "dest-tls-verify", 0, OPT_TRISTATE, O(dest_tls_verify), NULL, "refuse http and bad certificates of the destination", 0, 0 },
	{ "dry-run", 0, OPT_BOOL, O(dry_run), NULL, "print what would be copied, and copy nothing", 0, 0 },
	{ "keep-going", 0, OPT_BOOL, O(keep_going), NULL, "report an image that cannot be copied and go on", 0, 0 },
	{ "preserve-digests", 0, OPT_BOOL, O(preserve_digests), NULL, "fail where a manifest would have to change", 0, 0 },
	{ "quiet", 'q', OPT_BOOL, O(quiet), NULL, "no progress", 0, 0 },
	{ "scoped", 0, OPT_BOOL, O(scoped), NULL, "put images below the whole name they come from", 0, 0 },
	{ "src", 's', OPT_STR, O(source), "KIND", "what SOURCE is: docker or dir", OPT_REQUIRED, 0 },
	{ "src-authfile", 0, OPT_STR, O(src_authfile), "FILE", "credentials for the source", 0, COMPLETE_FILE },
	{ "src-cert-dir", 0, OPT_STR, O(src_cert_dir), "DIR", "certificates for the source", 0, COMPLETE_DIR },
	{ "src-creds", 0, OPT_STR, O(src_creds), "USER:PASSWORD", "credentials of the source", 0, 0 },
	{ "src-tls-verify", 0, OPT_TRISTATE, O(src_tls_verify), NULL, "refuse http and bad certificates of the source", 0, 0 },
	OPT_END
};
/* clang-format on */

/* One image: where it is, and what it is called at the other end ("app:1", scoped
 * "registry.example.com/team/app:1"). */
struct item {
	struct image_location from;
	char *name;
};

struct sync {
	struct cmd_ctx *ctx;
	const struct sync_opts *o;
	struct copy_options copy;
	struct item *items;
	size_t n;
};

static void sync_done(struct sync *s)
{
	for (size_t i = 0; i < s->n; i++) {
		image_location_done(&s->items[i].from);
		free(s->items[i].name);
	}
	free(s->items);
}

/* --- what there is --- */

static void add(struct sync *s, enum transport transport, char *where, char *name)
{
	struct item item = { .from = { .transport = transport }, .name = name };

	if (transport == TRANSPORT_DIR)
		item.from.path = where;
	else
		item.from.name = where;
	VEC_PUSH(s->items, s->n, item);
}

static void add_tag(struct sync *s, const char *repo, const char *tag)
{
	const char *slash = strrchr(repo, '/');

	add(s, TRANSPORT_DOCKER, xasprintf("%s:%s", repo, tag),
	    xasprintf("%s:%s", s->o->scoped || !slash ? repo : slash + 1, tag));
}

static int find_in_registry(struct sync *s, const char *source)
{
	AUTO_REF ref = IMAGE_REF_INIT;
	AUTO_FREE char *repo = NULL;
	AUTO_STRV tags = STRV_INIT;
	const char *slash = strrchr(source, '/');

	if (image_ref_parse(source, &ref, &s->ctx->err) < 0)
		return -1;
	if (ref.has_digest)
		return err_set(&s->ctx->err, E_INVALID,
		               "sync: '%s': a repository or a tag, not a digest", source);
	repo = image_ref_repo(&ref);
	if (strchr(slash ? slash : source, ':')) {
		add_tag(s, repo, ref.tag);
		return 0;
	}
	if (image_registry_tags(repo, &s->copy.source, cli_cancelled(), &tags, &s->ctx->err) < 0)
		return -1;
	for (size_t i = 0; i < tags.len; i++)
		add_tag(s, repo, tags.items[i]);
	return 0;
}

/* Every folder below that holds an image. below: its path from the source on. */
static int find_in_dir(struct sync *s, const char *path, const char *below, int depth)
{
	AUTO_FREE char *manifest = xasprintf("%s/manifest.json", path);
	DIR *dir;
	struct dirent *entry;
	int r = 0;

	if (access(manifest, F_OK) == 0) {
		const char *slash = strrchr(*below ? below : path, '/');
		const char *last = slash ? slash + 1 : *below ? below : path;

		add(s, TRANSPORT_DIR, xstrdup(path),
		    xstrdup(s->o->scoped && *below ? below : last));
		return 0;
	}
	dir = depth < DEPTH_MAX ? opendir(path) : NULL;
	if (!dir)
		return depth ? 0 : err_sys(&s->ctx->err, errno, "sync: read '%s'", path);
	while (r == 0 && (entry = readdir(dir))) {
		AUTO_FREE char *child = xasprintf("%s/%s", path, entry->d_name);
		AUTO_FREE char *rest = xasprintf("%s%s%s", below, *below ? "/" : "", entry->d_name);
		struct stat st;

		if (entry->d_name[0] != '.' && lstat(child, &st) == 0 && S_ISDIR(st.st_mode))
			r = find_in_dir(s, child, rest, depth + 1);
	}
	closedir(dir);
	return r;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct item *)a)->name, ((const struct item *)b)->name);
}

/* --- copying --- */

/* mkdir -p of what is above the image's folder. */
static int make_folders(struct sync *s, const char *path)
{
	AUTO_FREE char *text = xstrdup(path);

	for (char *p = strchr(text + 1, '/'); p; p = strchr(p + 1, '/')) {
		*p = '\0';
		if (mkdir(text, 0755) < 0 && errno != EEXIST)
			return err_sys(&s->ctx->err, errno, "sync: make '%s'", text);
		*p = '/';
	}
	return 0;
}

static int copy_item(struct sync *s, const struct item *item, const char *dest)
{
	struct image_store *store = cli_images(s->ctx);
	AUTO_PROGRESS *progress = progress_new("copying", s->o->quiet);
	AUTO_FREE char *to = xasprintf("%s/%s", dest, item->name);
	AUTO_LOCATION at = LOCATION_INIT;
	struct copy_result result = { 0 };
	int r;

	if (!store)
		return -1;
	if (strcmp(s->o->dest, "dir") == 0)
		at = (struct image_location){ .transport = TRANSPORT_DIR, .path = TAKE_PTR(to) };
	else
		at = (struct image_location){ .transport = TRANSPORT_DOCKER, .name = TAKE_PTR(to) };
	if (s->o->dry_run) {
		printf("%s -> %s\n", item->from.path ? item->from.path : item->from.name,
		       at.path ? at.path : at.name);
		return 0;
	}
	if (at.path && make_folders(s, at.path) < 0)
		return -1;
	s->copy.progress = progress_events(progress);
	r = image_copy(store, &item->from, &at, &s->copy, &result, &s->ctx->err);
	if (r < 0)
		return err_ctx(&s->ctx->err, "sync '%s'", item->name);
	printf("%s %s\n", digest_format(&result.digest).s, at.path ? at.path : at.name);
	fflush(stdout);
	return 0;
}

static int copy_all(struct sync *s, const char *dest)
{
	for (size_t i = 0; i < s->n; i++) {
		if (copy_item(s, &s->items[i], dest) == 0)
			continue;
		if (!s->o->keep_going || s->ctx->err.code == E_INTERRUPTED)
			return -1;
		cli_report(s->ctx);
	}
	return 0;
}

static int check(struct sync *s)
{
	const struct sync_opts *o = s->o;
	struct err *err = &s->ctx->err;

	if (!o->source || !o->dest) {
		err_set(err, E_INVALID, "sync: --src and --dest are missing");
		return err_hint(err, "each is docker or dir");
	}
	if (strcmp(o->source, "yaml") == 0)
		return err_set(err, E_UNSUPPORTED, "sync --src yaml is not supported");
	if (strcmp(o->source, "docker") != 0 && strcmp(o->source, "dir") != 0)
		return err_set(err, E_INVALID, "option --src: '%s' is not docker or dir",
		               o->source);
	if (strcmp(o->dest, "docker") != 0 && strcmp(o->dest, "dir") != 0)
		return err_set(err, E_INVALID, "option --dest: '%s' is not docker or dir", o->dest);
	if (strcmp(o->source, "dir") == 0 && strcmp(o->dest, "dir") == 0)
		return err_set(err, E_INVALID, "sync from a folder to a folder is what 'cp' does");
	return copy_opts_apply(&o->copy, &s->copy, err);
}

static int sync_images(struct sync *s, const char *source, const char *dest)
{
	const struct sync_opts *o = s->o;
	int r;

	if (check(s) < 0)
		return -1;
	s->copy.flags |=
		(o->all ? COPY_ALL : 0) | (o->preserve_digests ? COPY_PRESERVE_DIGESTS : 0);
	s->copy.cancel = cli_cancelled();
	s->copy.source = (struct copy_side){ o->src_tls_verify, o->src_creds,
		                             o->src_authfile ? o->src_authfile : o->authfile,
		                             o->src_cert_dir };
	s->copy.dest = (struct copy_side){ o->dest_tls_verify, o->dest_creds,
		                           o->dest_authfile ? o->dest_authfile : o->authfile,
		                           o->dest_cert_dir };
	cli_catch_signals();
	r = strcmp(o->source, "dir") == 0 ? find_in_dir(s, source, "", 0)
	                                  : find_in_registry(s, source);
	if (r == 0 && s->n == 0)
		r = err_set(&s->ctx->err, E_NOT_FOUND, "sync: '%s' has no images", source);
	if (s->n)
		qsort(s->items, s->n, sizeof(*s->items), by_name);
	if (r == 0)
		r = copy_all(s, dest);
	cli_release_signals();
	return r;
}

static int run(struct cmd_ctx *ctx, const struct command *self, int argc, char **argv)
{
	struct sync_opts o = { .copy = COPY_OPTS_INIT,
		               .src_tls_verify = -1,
		               .dest_tls_verify = -1 };
	struct sync s = { .ctx = ctx, .o = &o, .copy = COPY_OPTIONS_INIT };
	AUTO_STRV args = STRV_INIT;
	int r = cli_parse(ctx, self, &o, argc, argv, &args);

	if (r)
		return cli_parsed(r);
	r = sync_images(&s, args.items[0], args.items[1]);
	sync_done(&s);
	return r;
}

const struct command cmd_image_sync = {
	.name = "sync",
	.args = "SOURCE DESTINATION",
	.summary = "Copy all images of a repository or folder",
	.tables = { options, copy_options_table },
	.min_args = 2,
	.max_args = 2,
	.run = run,
};
