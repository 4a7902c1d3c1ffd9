// Run once, when MongoDB's volume is empty: the service's own user, who may read and write its database and no other.
db.getSiblingDB("admin").createUser({
  user: "streamer",
  pwd: process.env.MONGODB_PASSWORD,
  roles: [{ role: "readWrite", db: "transient-streamer" }],
});
