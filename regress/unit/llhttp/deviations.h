/* SPDX-License-Identifier: ISC */

/* Where our strictness differs from llhttp's, vector by vector, and why. */

#ifndef REGRESS_UNIT_LLHTTP_DEVIATIONS_H
#define REGRESS_UNIT_LLHTTP_DEVIATIONS_H

#include <stdbool.h>

static const struct deviation {
	const char	*name;
	bool		 refused;	/* by us; llhttp accepts it */
	const char	*why;
} deviations[] = {
	{ "request/connection: "
	    "CRLF between requests, implicit `keep-alive`", true,
	    "empty line before the request line" },
	{ "request/content-length: Funky `Content-Length` with body", true,
	    "GET with a body" },
	{ "request/method: REPORT request", true,
	    "a method that no route has" },
	{ "request/method: CONNECT request", true,
	    "a method that no route has" },
	{ "request/method: CONNECT request with CAPS", true,
	    "a method that no route has" },
	{ "request/method: CONNECT with body", true,
	    "a method that no route has" },
	{ "request/method: M-SEARCH request", true,
	    "a method that no route has" },
	{ "request/method: PURGE request", true,
	    "a method that no route has" },
	{ "request/method: SEARCH request", true,
	    "a method that no route has" },
	{ "request/method: LINK request", true,
	    "a method that no route has" },
	{ "request/method: SOURCE request", true,
	    "a method that no route has" },
	{ "request/method: SOURCE request with ICE", true,
	    "not HTTP" },
	{ "request/method: OPTIONS request with RTSP", true,
	    "not HTTP" },
	{ "request/method: ANNOUNCE request with RTSP", true,
	    "not HTTP" },
	{ "request/method: PRI request HTTP2", true,
	    "a method that no route has" },
	{ "request/method: QUERY request", true,
	    "a method that no route has" },
	{ "request/pipelining: Should parse multiple events", true,
	    "empty line before the request line" },
	{ "request/sample: curl GET", true,
	    "'=' in Host" },
	{ "request/sample: Firefox GET", true,
	    "'=' in Host" },
	{ "request/sample: Prefix newline", true,
	    "empty line before the request line" },
	{ "request/sample: No HTTP version", true,
	    "HTTP/0.9" },
	{ "request/sample: Request starting with CRLF", true,
	    "empty line before the request line" },
	{ "request/transfer-encoding: Trailing headers", true,
	    "trailers of requests are refused" },
	{ "request/transfer-encoding: "
	    "POST with `chunked` as last transfer-encoding", true,
	    "fragment in the target" },
	{ "request/transfer-encoding: "
	    "POST with `chunked` as last transfer-encoding "
	    "(multiple headers)", true,
	    "fragment in the target" },
	{ "request/uri: Host terminated by a query string", true,
	    "absolute or authority form" },
	{ "request/uri: `host:port` terminated by a query string", true,
	    "absolute or authority form" },
	{ "request/uri: `host:port` terminated by a space", true,
	    "absolute or authority form" },
	{ "request/uri: Fragment in URI", true,
	    "fragment in the target" },
	{ "request/uri: Underscore in hostname", true,
	    "a method that no route has" },
	{ "request/uri: `host:port` and basic auth", true,
	    "absolute or authority form" },
	{ "response/connection: "
	    "HTTP 101 response with Upgrade and Content-Length header", true,
	    "101" },
	{ "response/connection: "
	    "HTTP 101 response with Upgrade and Transfer-Encoding header", true,
	    "101" },
	{ "response/connection: HTTP 304 with Content-Length", true,
	    "bytes before the status line" },
	{ "response/connection: HTTP 100 first, then 400", true,
	    "bytes before the status line" },
	{ "response/pipelining: Should parse multiple events", true,
	    "bytes before the status line" },
	{ "response/sample: RTSP response", true,
	    "not HTTP" },
	{ "response/sample: ICE response", true,
	    "not HTTP" },
	{ "response/sample: HTTP version 0.9", true,
	    "HTTP/0.9" },
	{ "response/sample: Response starting with CRLF", true,
	    "bytes before the status line" },
	{ "response/transfer-encoding: "
	    "`chunked` before other transfer-encoding", true,
	    "other transfer coding" },
	{ "response/transfer-encoding: "
	    "multiple transfer-encoding where chunked is not the last one", true,
	    "two transfer codings" },
	{ "response/transfer-encoding: "
	    "`chunkedchunked` transfer-encoding does not "
	    "enable chunked enconding", true,
	    "other transfer coding" },
};

#endif /* REGRESS_UNIT_LLHTTP_DEVIATIONS_H */
