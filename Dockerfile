# One image for every role. By itself it runs everything (`npm start`); docker-compose.yml runs the roles apart.
FROM node:24-bookworm-slim AS packages
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --omit=dev

FROM node:24-bookworm-slim
# redis-server for the container that runs everything, ffmpeg for videos, tini to pass signals on and to bury the dead.
RUN apt-get update \
  && apt-get install -y --no-install-recommends redis-server ffmpeg tini \
  && rm -rf /var/lib/apt/lists/* \
  && install -d -o node -g node /data
WORKDIR /app
COPY --from=packages /app/node_modules node_modules
COPY package.json launch.js openapi.yaml LICENSE ./
COPY apps apps
COPY libs libs
COPY docs docs
ENV NODE_ENV=production HOST=0.0.0.0 DATA_DIR=/data
USER node
VOLUME /data
# The API, and the simulated X where no X app is configured.
EXPOSE 5000 5001
ENTRYPOINT ["tini", "--", "node"]
CMD ["apps/start/main.ts"]
