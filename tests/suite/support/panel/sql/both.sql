-- What both generations have. Columns are those that published queries and dumps of the vendor's database name; a real
-- host has more of them, and more tables.
CREATE TABLE clients (
  id INT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
  login VARCHAR(60) CHARACTER SET ascii NOT NULL UNIQUE,
  type ENUM('admin', 'reseller', 'client') NOT NULL DEFAULT 'client',
  pname VARCHAR(255),
  email VARCHAR(255),
  account_id INT UNSIGNED,
  perm_id INT UNSIGNED NOT NULL DEFAULT 0,
  parent_id INT UNSIGNED
) ENGINE = InnoDB;

-- name is ASCII (punycode), displayName is what people read.
CREATE TABLE domains (
  id INT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
  name VARCHAR(255) CHARACTER SET ascii NOT NULL UNIQUE,
  displayName VARCHAR(255) NOT NULL,
  cl_id INT UNSIGNED NOT NULL,
  status BIGINT UNSIGNED NOT NULL DEFAULT 0
) ENGINE = InnoDB;

CREATE TABLE accounts (
  id INT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
  type VARCHAR(32) NOT NULL DEFAULT 'plain',
  password TEXT
) ENGINE = InnoDB;

CREATE TABLE Permissions (
  id INT UNSIGNED NOT NULL,
  permission VARCHAR(245) NOT NULL,
  value VARBINARY(255),
  PRIMARY KEY (id, permission)
) ENGINE = InnoDB;

CREATE TABLE mail_aliases (
  id INT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
  mn_id INT UNSIGNED NOT NULL,
  alias VARCHAR(245) CHARACTER SET ascii NOT NULL
) ENGINE = InnoDB;

CREATE TABLE mn_param (
  mn_id INT UNSIGNED NOT NULL,
  param VARCHAR(245) NOT NULL,
  val VARCHAR(255),
  PRIMARY KEY (mn_id, param)
) ENGINE = InnoDB;

-- A trap by its name: which networks may reach the panel at all, nothing about mail accounts. In all generations.
CREATE TABLE cp_access (
  id INT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
  type ENUM('allow', 'deny') NOT NULL,
  netaddr VARCHAR(40) NOT NULL,
  netmask VARCHAR(40) NOT NULL
) ENGINE = InnoDB;
INSERT INTO cp_access (type, netaddr, netmask) VALUES ('deny', '0.0.0.0', '0.0.0.0'), ('allow', '203.0.113.0', '255.255.255.0');
