/* registry serve: the embedded registry; registry ls, rm, gc: what it has. */
#include <string.h>

#include "base/num.h"
#include "base/xalloc.h"
#include "cli/cli-internal.h"
#include "image/repo.h"
#include "registry/registry.h"

#define PAGE 1000

struct serve_opts {
	const char *listen;
	const char *tls_cert;
	const char *tls_key;
	const char *htpasswd;
	const char *realm;
	bool anonymous_pull;
	bool anonymous_push;
	bool read_only;
	bool no_delete;
	bool sparse;
	bool quiet;
	uint64_t max_blob_size;
	int64_t max_connections;
	int64_t rate_limit;
	int64_t timeout_ms;
	int64_t drain_ms;
	const char *proxy;
	const char *creds;
	const char *authfile;
	const char *cert_dir;
	int tls_verify;
};

#define S(field) OPT(struct serve_opts, field)
/* clang-format off */
static const struct opt serve_options[] = {
	{ "anonymous-pull", 0, OPT_BOOL, S(anonymous_pull), NULL, "with --htpasswd: pulling needs no password", 0, 0 },
	{ "anonymous-push", 0, OPT_BOOL, S(anonymous_push), NULL, "let everybody push who reaches an address beyond this machine", 0, 0 },
	{ "drain-timeout", 0, OPT_DURATION, S(drain_ms), "TIME", "how long requests under way may take to end at SIGTERM (default 30s)", 0, 0 },
	{ "htpasswd", 0, OPT_STR, S(htpasswd), "FILE", "users and bcrypt hashes of their passwords, as 'htpasswd -B' writes them", 0, COMPLETE_FILE },
	{ "listen", 'l', OPT_STR, S(listen), "ADDRESS:PORT", "where to take connections (default 127.0.0.1:5000; ':5000' is every address, port 0 any)", 0, 0 },
	{ "max-blob-size", 0, OPT_SIZE, S(max_blob_size), "SIZE", "refuse larger blobs", 0, 0 },
	{ "max-connections", 0, OPT_INT, S(max_connections), "COUNT", "connections at a time (default 256)", 0, 0 },
	{ "no-delete", 0, OPT_BOOL, S(no_delete), NULL, "refuse to delete tags, manifests and blobs", 0, 0 },
	{ "proxy", 0, OPT_STR, S(proxy), "URL", "be a pull-through cache of this registry", 0, 0 },
	{ "proxy-authfile", 0, OPT_STR, S(authfile), "FILE", "credentials for the upstream (default as for pull)", 0, COMPLETE_FILE },
	{ "proxy-cert-dir", 0, OPT_STR, S(cert_dir), "DIR", "client certificates and CAs of the upstream", 0, COMPLETE_DIR },
	{ "proxy-creds", 0, OPT_STR, S(creds), "USER:PASSWORD", "credentials for the upstream", 0, 0 },
	{ "proxy-tls-verify", 0, OPT_TRISTATE, S(tls_verify), NULL, "refuse an upstream over http or with a certificate that does not verify (default true, but http on loopback)", 0, 0 },
	{ "quiet", 'q', OPT_BOOL, S(quiet), NULL, "no line for each request", 0, 0 },
	{ "rate-limit", 0, OPT_INT, S(rate_limit), "COUNT", "requests a second that one client may make", 0, 0 },
	{ "read-only", 0, OPT_BOOL, S(read_only), NULL, "refuse to push and to delete", 0, 0 },
	{ "realm", 0, OPT_STR, S(realm), "TEXT", "what clients show when they ask for a password (default dhow registry)", 0, 0 },
	{ "sparse", 0, OPT_BOOL, S(sparse), NULL, "take image manifests whose config or layers were not pushed", 0, 0 },
	{ "timeout", 0, OPT_DURATION, S(timeout_ms), "TIME", "end connections on which nothing moves (default 60s)", 0, 0 },
	{ "tls-cert", 0, OPT_STR, S(tls_cert), "FILE", "certificate, and those up to its CA, in PEM; needs --tls-key", 0, COMPLETE_FILE },
	{ "tls-key", 0, OPT_STR, S(tls_key), "FILE", "its private key in PEM", 0, COMPLETE_FILE },
	OPT_END
};
/* clang-format on */

static void print_line(void *ctx, const char *line)
{
	(void)ctx;
	fprintf(stderr, "%s\n", line);
}

static void print_ready(void *ctx, const char *url)
{
	(void)ctx;
	printf("%s\n", url);
	fflush(stdout);
}

static int check_serve(const struct serve_opts *o, struct err *err)
{
	if (o->max_connections < 1 || o->max_connections > 10000)
		return err_set(err, E_INVALID, "option --max-connections: 1 to 10000");
	if (o->rate_limit < 0 || o->rate_limit > 1000000)
		return err_set(err, E_INVALID, "option --rate-limit: 0 to 1000000");
	if (o->timeout_ms < 1000 || o->timeout_ms > 86400000)
		return err_set(err, E_INVALID, "option --timeout: 1s to 24h");
	if (strpbrk(o->realm, "\"\\\r\n"))
		return err_set(err, E_INVALID, "option --realm: no quotes and backslashes");
	return 0;
}

static int run_serve(struct cmd_ctx *ctx, const struct command *self, int argc, char **argv)
{
	struct serve_opts o = { .listen = "127.0.0.1:5000",
		                .realm = "dhow registry",
		                .max_connections = 256,
		                .timeout_ms = 60000,
		                .drain_ms = 30000,
		                .tls_verify = -1 };
	struct registry_serve_options options;
	AUTO_STRV args = STRV_INIT;
	int r = cli_parse(ctx, self, &o, argc, argv, &args);
	struct engine *e;

	if (r)
		return cli_parsed(r);
	if (check_serve(&o, &ctx->err) < 0)
		return -1;
	e = cli_engine(ctx);
	if (!e)
		return -1;
	options = (struct registry_serve_options){
		.listen = o.listen,
		.tls_cert = o.tls_cert,
		.tls_key = o.tls_key,
		.htpasswd = o.htpasswd,
		.realm = o.realm,
		.anonymous_pull = o.anonymous_pull,
		.anonymous_push = o.anonymous_push,
		.read_only = o.read_only,
		.no_delete = o.no_delete,
		.sparse = o.sparse,
		.max_blob_bytes = o.max_blob_size,
		.max_connections = (unsigned)o.max_connections,
		.requests_per_second = (unsigned)o.rate_limit,
		.idle_timeout_ms = o.timeout_ms,
		.drain_timeout_ms = o.drain_ms,
		.proxy = o.proxy,
		.proxy_creds = o.creds,
		.proxy_authfile = o.authfile,
		.proxy_cert_dir = o.cert_dir,
		.proxy_tls_verify = o.tls_verify,
		.log = o.quiet ? NULL : print_line,
		.ready = print_ready,
	};
	return registry_serve(e->root_fd, &options, &ctx->err);
}

/* --- ls, rm, gc --- */

static const struct opt no_options[] = { OPT_END };

struct gc_opts {
	bool untagged;
	int64_t older_ms;
};
static const struct opt gc_options[] = { { "older-than", 0, OPT_DURATION,
	                                   OPT(struct gc_opts, older_ms), "TIME",
	                                   "leave what came later (default 1h)", 0, 0 },
	                                 { "untagged", 0, OPT_BOOL, OPT(struct gc_opts, untagged),
	                                   NULL, "manifests to which no tag leads, too", 0, 0 },
	                                 OPT_END };

/* Names a page at a time, printed. repo NULL: repositories; else its tags. */
static int print_names(struct image_store *store, const char *repo, struct err *err)
{
	AUTO_FREE char *last = NULL;
	bool more = true;

	while (more) {
		AUTO_STRV names = STRV_INIT;
		int r = repo ? repo_tags(store, repo, last, PAGE, &names, &more, err)
		             : repo_list(store, last, PAGE, &names, &more, err);

		if (r < 0)
			return -1;
		for (size_t i = 0; i < names.len; i++)
			printf("%s%s%s\n", repo ? repo : "", repo ? ":" : "", names.items[i]);
		free(last);
		last = names.len ? xstrdup(names.items[names.len - 1]) : NULL;
	}
	return 0;
}

static int run_ls(struct cmd_ctx *ctx, const struct command *self, int argc, char **argv)
{
	struct image_store *store;
	AUTO_STRV args = STRV_INIT;
	int none = 0, r = cli_parse(ctx, self, &none, argc, argv, &args);

	if (r)
		return cli_parsed(r);
	store = cli_images(ctx);
	return store ? print_names(store, args.len ? args.items[0] : NULL, &ctx->err) : -1;
}

static int remove_one(struct cmd_ctx *ctx, const char *ref, void *arg)
{
	struct image_store *store = cli_images(ctx);
	const char *at = strchr(ref, '@'), *colon = strrchr(ref, ':');
	AUTO_FREE char *repo = xstrndup(ref, at      ? (size_t)(at - ref)
	                                     : colon ? (size_t)(colon - ref)
	                                             : strlen(ref));
	struct digest d;

	(void)arg;
	if (!store)
		return -1;
	if (at)
		return digest_parse(at + 1, &d, &ctx->err) < 0
		               ? -1
		               : repo_remove_manifest(store, repo, &d, &ctx->err);
	return colon ? repo_remove_tag(store, repo, colon + 1, &ctx->err)
	             : repo_remove(store, repo, &ctx->err);
}

static int run_rm(struct cmd_ctx *ctx, const struct command *self, int argc, char **argv)
{
	AUTO_STRV args = STRV_INIT;
	int none = 0, r = cli_parse(ctx, self, &none, argc, argv, &args);

	return r ? cli_parsed(r) : cli_each(ctx, &args, remove_one, NULL);
}

static int run_gc(struct cmd_ctx *ctx, const struct command *self, int argc, char **argv)
{
	struct gc_opts o = { .older_ms = REPO_GC_MIN_AGE_S * 1000 };
	struct repo_gc_result result;
	struct image_store *store;
	AUTO_STRV args = STRV_INIT;
	int r = cli_parse(ctx, self, &o, argc, argv, &args);

	if (r)
		return cli_parsed(r);
	store = cli_images(ctx);
	if (!store || repo_gc(store, o.untagged, o.older_ms / 1000, &result, &ctx->err) < 0)
		return -1;
	printf("removed %llu manifests and %llu blobs from repositories\n",
	       (unsigned long long)result.manifests, (unsigned long long)result.blobs);
	return 0;
}

static const struct command registry_commands[] = {
	{
		.name = "gc",
		.summary = "Remove blobs that no manifest of their repository needs",
		.tables = { gc_options },
		.run = run_gc,
	},
	{
		.name = "ls",
		.aliases = "list",
		.args = "[REPOSITORY]",
		.summary = "List repositories, or the tags of one",
		.tables = { no_options },
		.max_args = 1,
		.run = run_ls,
	},
	{
		.name = "rm",
		.aliases = "remove",
		.args = "REPOSITORY[:TAG|@DIGEST] [...]",
		.summary = "Remove repositories, tags or manifests",
		.tables = { no_options },
		.min_args = 1,
		.max_args = -1,
		.run = run_rm,
	},
	{
		.name = "serve",
		.summary = "Serve an OCI registry",
		.tables = { serve_options },
		.run = run_serve,
	},
	{ 0 },
};

const struct command cmd_registry = {
	.name = "registry",
	.summary = "Serve a registry from this store, look after its repositories",
	.sub = registry_commands,
};
