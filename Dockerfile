# The worker and its commands; docker-compose.yml runs it.
FROM node:20.20.2-bookworm-slim AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --no-audit --no-fund
COPY . .
RUN npm run build && npm prune --omit=dev

FROM node:20.20.2-bookworm-slim
RUN apt-get update \
  && apt-get install --yes --no-install-recommends ca-certificates \
  && rm -rf /var/lib/apt/lists/*
WORKDIR /app
COPY --from=build /app/package.json ./
COPY --from=build /app/node_modules ./node_modules
COPY --from=build /app/dist ./dist
COPY --from=build /app/cluster ./cluster
COPY --from=build /app/activities ./activities
COPY --from=build /app/script/worker ./script/worker
RUN chmod +x dist/client/start-workflow.js dist/client/approve-csr.js \
  && ln -s /app/dist/client/start-workflow.js /usr/local/bin/start-workflow \
  && ln -s /app/dist/client/approve-csr.js /usr/local/bin/approve-csr \
  && install -d -m 0700 -o node -g node /var/lib/ha-kubernetes
USER node
ENV NODE_ENV=production HA_KUBERNETES_HOME=/var/lib/ha-kubernetes
CMD ["script/worker"]
