FROM rust:1.95.0-bookworm AS build
# libopus is built from the crate's own source.
RUN apt-get update && apt-get install --yes --no-install-recommends cmake && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
RUN cargo build --release --locked

FROM debian:bookworm-slim
RUN apt-get update && apt-get install --yes --no-install-recommends ca-certificates && rm -rf /var/lib/apt/lists/*
COPY --from=build /src/target/release/dialplane /usr/local/bin/dialplane
USER 65532:65532
ENV DIALPLANE_HTTP=0.0.0.0:8080
EXPOSE 8080
ENTRYPOINT ["dialplane"]
CMD ["run"]
