# One image for every role. By itself it runs everything (`npm start`); docker-compose.yml runs the roles apart.
# Needs nothing but /data and /tmp to write to: --read-only --tmpfs /tmp --cap-drop ALL --security-opt no-new-privileges
FROM node:24-bookworm-slim AS packages
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
# What only an optional peer asks for beside our tests, npm keeps; nothing at run time wants a compiler of 31 MB.
RUN npm ci --omit=dev && rm -rf node_modules/typescript node_modules/@typescript node_modules/react

FROM node:24-bookworm-slim
# redis-server for the container that runs everything, ffmpeg for videos, tini to pass signals on and to bury the dead.
RUN apt-get update \
  && apt-get install -y --no-install-recommends redis-server ffmpeg tini \
  && rm -rf /var/lib/apt/lists/* \
  && useradd --uid 10001 --user-group --no-create-home --home-dir /data --shell /usr/sbin/nologin post-to-x \
  && install -d -o post-to-x -g post-to-x -m 0700 /data
WORKDIR /app
COPY --from=packages /app/node_modules node_modules
COPY package.json launch.js openapi.yaml LICENSE ./
COPY apps apps
COPY libs libs
COPY docs docs
# For workers; the API has another one (libs/run-app/node-flags.ts).
ENV NODE_OPTIONS=--max-semi-space-size=8
ENV NODE_ENV=production HOST=0.0.0.0 DATA_DIR=/data
# A number, so that a cluster can see that it is not root.
USER 10001:10001
VOLUME /data
# The API, and the simulated X where no X app is configured.
EXPOSE 5000 5001
ENTRYPOINT ["tini", "--", "node"]
CMD ["apps/start/main.ts"]
