/* http_tls.c - TLS by OpenSSL under libevent's bufferevents: one certificate, TLS 1.2
 * and on. */
#include <event2/bufferevent_ssl.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include "serve/http_internal.h"

static hone_status tls_failed(const char *what, const char *path, hone_error *err)
{
    char text[160];
    ERR_error_string_n(ERR_get_error(), text, sizeof text);
    ERR_clear_error();
    return hone_fail(err, HONE_E_INVALID, "serve: %s%s%s: %s", what, path ? " " : "",
                     path ? path : "", text);
}

/* A key with a passphrase is refused instead of asking on the terminal. */
static int no_passphrase(char *buf, int size, int write, void *ctx)
{
    (void)buf;
    (void)size;
    (void)write;
    (void)ctx;
    return -1;
}

hone_status hone_http_tls_new(void **out, const char *cert, const char *key,
                              hone_error *err)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    if (!ctx) return tls_failed("TLS", NULL, err);
    SSL_CTX_set_default_passwd_cb(ctx, no_passphrase);
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_IGNORE_UNEXPECTED_EOF);
    hone_status s = HONE_OK;
    if (!SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION))
        s = tls_failed("TLS 1.2", NULL, err);
    else if (SSL_CTX_use_certificate_chain_file(ctx, cert) != 1)
        s = tls_failed("certificate", cert, err);
    else if (SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM) != 1 ||
             SSL_CTX_check_private_key(ctx) != 1)
        s = tls_failed("key", key, err);
    if (s) {
        SSL_CTX_free(ctx);
        return s;
    }
    *out = ctx;
    return HONE_OK;
}

void hone_http_tls_free(void *ctx)
{
    SSL_CTX_free(ctx);
}

struct bufferevent *hone_http_tls_accept(void *ctx, struct event_base *base, int fd)
{
    SSL *ssl = SSL_new(ctx);
    if (!ssl) return NULL;
    struct bufferevent *bev = bufferevent_openssl_socket_new(
        base, fd, ssl, BUFFEREVENT_SSL_ACCEPTING, BEV_OPT_CLOSE_ON_FREE);
    if (!bev) {
        SSL_free(ssl);
        return NULL;
    }
    bufferevent_openssl_set_allow_dirty_shutdown(bev, 1);
    return bev;
}

void hone_http_tls_finish(struct bufferevent *bev)
{
    SSL *ssl = bufferevent_openssl_get_ssl(bev);
    if (ssl && SSL_is_init_finished(ssl)) (void)SSL_shutdown(ssl);
    ERR_clear_error();
}
