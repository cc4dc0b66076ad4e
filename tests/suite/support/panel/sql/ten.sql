-- Plesk 10 to Obsidian: a mail account may log in where it is linked to an additional user that is not locked (the
-- vendor's upgrade checker and backup agent).
CREATE TABLE mail (
  id INT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
  mail_name VARCHAR(245) CHARACTER SET ascii NOT NULL,
  -- Whether this column and the rows it names stay behind is not documented. Here they do, and say the contrary.
  perm_id INT UNSIGNED NOT NULL DEFAULT 0,
  postbox ENUM('false', 'true') NOT NULL DEFAULT 'false',
  account_id INT UNSIGNED NOT NULL DEFAULT 0,
  mail_group ENUM('false', 'true') NOT NULL DEFAULT 'false',
  autoresponder ENUM('false', 'true') NOT NULL DEFAULT 'false',
  spamfilter ENUM('false', 'true') NOT NULL DEFAULT 'false',
  virusfilter ENUM('none', 'incoming', 'outgoing', 'any') NOT NULL DEFAULT 'none',
  mbox_quota BIGINT NOT NULL DEFAULT -1,
  dom_id INT UNSIGNED NOT NULL,
  -- Zero or NULL where there is no link (the vendor's password changer asks for both).
  userId INT UNSIGNED DEFAULT 0,
  UNIQUE KEY dom_id (dom_id, mail_name),
  KEY account_id (account_id),
  KEY perm_id (perm_id),
  KEY userId (userId)
) ENGINE = InnoDB;

CREATE TABLE smb_roles (
  id INT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
  name VARCHAR(255) NOT NULL,
  ownerId INT UNSIGNED NOT NULL
) ENGINE = InnoDB;

CREATE TABLE smb_users (
  id INT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
  login VARCHAR(255) NOT NULL UNIQUE,
  email VARCHAR(255),
  contactName VARCHAR(255) NOT NULL DEFAULT '',
  uuid VARCHAR(36) NOT NULL,
  roleId INT UNSIGNED NOT NULL,
  ownerId INT UNSIGNED NOT NULL,
  isLocked TINYINT UNSIGNED NOT NULL DEFAULT 0,
  externalId VARCHAR(255) NOT NULL DEFAULT '',
  KEY email (email)
) ENGINE = InnoDB;
