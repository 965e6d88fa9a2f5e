// The whole of what `fogbank config show` prints.
import { expect, test } from "vitest";
import { renderConfig } from "#agent/config/explain.ts";
import { load } from "./made-config.ts";

const shown = `name = "pump-1";  # default
level = "device";  # default
# zone is not set
tags = ( "a" );  # /etc/fog.conf:1:8
# lat is not set
# lon is not set
# class is not set
cond = { };  # default
data:
{
  window-ms = 60000;  # default
};
data-dir = "/var/lib/fogbank";  # default
log-level = "info";  # default
listen:
{
  mqtt = "127.0.0.1:1883";  # default
  http = "127.0.0.1:8080";  # default
};
uplink:
{
  url = "mqtt://a";  # /etc/fog.conf:2:17
  # uplink.secret-file is not set
  # uplink.ca is not set
  # uplink.cert is not set
  # uplink.key is not set
};
tls:
{
  # tls.cert is not set
  # tls.key is not set
  # tls.ca is not set
  require-client-certificate = false;  # default
};
auth:
{
  # auth.users is not set
  anonymous = "local";  # default
};
insecure = false;  # default
streams = ( { name = "data"; filters = ( "/data/#" ); } );  # default
sources:
{
  host:
  {
    enabled = true;  # default
    interval-ms = 1000;  # default
    # sources.host.record is not set
  };
};
# functions-dir is not set
functions:
{
  max-seconds = 60;  # default
  at-once = 4;  # default
};
documents:
{
  # documents.url is not set
  database = "fogbank";  # default
  # documents.user is not set
  # documents.password-file is not set
  # documents.ca is not set
  # documents.certificate-key is not set
};
journal:
{
  # journal.max-bytes is not set
  profile = "normal";  # default
  # journal.min-commit-ms is not set
};
`;

test("each shown line ends with its origin", () => {
  expect(renderConfig(load('tags = [a]\nuplink: { url = "mqtt://a" }').entries)).toBe(shown);
});
