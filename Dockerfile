# syntax=docker/dockerfile:1
#
# docker build --target gateway   -t mosip-gateway .             for production: no simulator, no example keys
# docker build --target simulator -t mosip-gateway-simulator .   for a developer's machine: runs the demo, plays MOSIP
#
# Builder and base are of one Debian release, so that the C library is the same. Both are named by digest, since others move a tag; RELEASING.md
# says how a release takes the newest of each.

ARG RUST=rust:1.95.0-slim-bookworm@sha256:d7482085ff5b415f84dba5647ae71606650bdef00db7aeb69f4b3d170c3e4082
ARG BASE=gcr.io/distroless/cc-debian12:nonroot@sha256:9dac0a79194e45a7da0158a9c6da57b217585af0786db3845d1f0ec1a0dd182f

FROM ${RUST} AS source
# Outranks rust-toolchain.toml, whose components no image needs.
ENV RUSTUP_TOOLCHAIN=1.95.0
RUN cargo install --locked cargo-auditable@0.7.7
WORKDIR /src
COPY . .
# distroless has no shell to make it with.
RUN mkdir -p /empty

FROM source AS build-gateway
RUN --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/src/target \
    deploy/build && cp target/release/mosip-gateway /mosip-gateway

FROM source AS build-simulator
RUN --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/src/target \
    cargo build --release --locked \
    && cp target/release/mosip-gateway /mosip-gateway

# The C library, user 65532, no shell. Roots for TLS are compiled in, or named by upstream.ca_file.
FROM ${BASE} AS base
USER 65532:65532
ENTRYPOINT ["/usr/local/bin/mosip-gateway"]

FROM base AS simulator
COPY --from=build-simulator /mosip-gateway /usr/local/bin/mosip-gateway
WORKDIR /opt/mosip-gateway
COPY keys.example keys.example
COPY deploy/example.toml deploy/example-hub.toml deploy/example-esignet.toml deploy/example-webhooks.toml deploy/example-systems.toml \
    deploy/example-credential.json deploy/
# example-hub.toml names them.
COPY tests/vectors/contexts tests/vectors/contexts
# `simulator` listens on the loopback: share its network namespace to reach it.
CMD ["demo"]

FROM base AS gateway
COPY --from=build-gateway /mosip-gateway /usr/local/bin/mosip-gateway
COPY --from=source --chown=65532:65532 /empty /var/lib/mosip-gateway
ENV MOSIP_GATEWAY_CONFIG=/etc/mosip-gateway/mosip-gateway.toml
# The outbox; the configuration has to name it: outbox.path = "/var/lib/mosip-gateway/outbox.db"
VOLUME ["/var/lib/mosip-gateway"]
# callback, ops. The plain API (4546) stays on the loopback.
EXPOSE 4547 4548
HEALTHCHECK --interval=10s --timeout=6s --start-period=10s CMD ["/usr/local/bin/mosip-gateway", "health"]
CMD ["serve"]
